#include "penstock-sim/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "penstock-sim/grow.h"

void cpu_init(struct cpu *c, const struct cpu_config *config)
{
	memset(c, 0, sizeof(*c));
	c->config = config;
	c->next_us = UINT64_MAX;
	c->weight = 1;
}

void cpu_done(struct cpu *c)
{
	free(c->job);
}

/* The share of a core that each of `n` jobs gets; ret_useful: the useful part of that. */
static double share_of(const struct cpu *c, double n, double *ret_useful)
{
	const struct cpu_config *k = c->config;
	double left = fmax(k->machine_cores - c->neighbour / c->weight, 0.02);
	double cores = fmax(fmin(k->cores, left) - c->overhead, 0.01);
	double over = k->knee > 0 ? fmax(0, n - k->knee) * k->thrash : 0;
	double each = n > 0 ? fmin(1, cores / n) : 0;

	*ret_useful = c->stuck > 0 ? 0 : each / (1 + over);
	/* A neighbour on the same cores takes its share by weight. */
	if (c->neighbour > 0 && n > 0 && c->neighbour + n > k->machine_cores)
		*ret_useful *=
			fmin(1, k->machine_cores / (c->neighbour / c->weight + fmin(n, k->cores)));
	return each;
}

double cpu_best(const struct cpu *c)
{
	double best = 0, useful;

	for (int n = 1; n <= ceil(c->config->machine_cores) + 1; n++) {
		share_of(c, n, &useful);
		best = fmax(best, n * useful);
	}
	return best;
}

static void share(struct cpu *c)
{
	c->each = share_of(c, c->active, &c->useful);
}

void cpu_changed(struct cpu *c)
{
	double left;

	share(c);
	if (c->jobs == 0 || c->useful <= 0) {
		c->next_us = UINT64_MAX;
		return;
	}
	left = fmax(0, (c->job[0].end - c->clock) / c->useful);
	c->next_us = c->at_us + (uint64_t)ceil(left * 1e6);
}

void cpu_advance(struct cpu *c, uint64_t now_us)
{
	double dt = (double)(now_us - c->at_us) / 1e6;

	c->at_us = now_us;
	c->clock += c->useful * dt;
	c->ran_s += c->each * c->active * dt;
	if (c->active > fmin(c->config->cores, c->config->machine_cores - c->neighbour)) {
		c->stalled_s += dt;
		if (c->active > c->apart)
			c->own_stalled_s += dt;
	}
}

void cpu_put(struct cpu *c, uint64_t now_us, double work_s, uint32_t id, uint32_t generation)
{
	struct cpu_job job = { .id = id, .generation = generation };
	uint32_t at = c->jobs++;

	cpu_advance(c, now_us);
	job.end = c->clock + work_s;
	c->job = grow(c->job, &c->room, c->jobs, sizeof(*c->job));
	while (at > 0 && job.end < c->job[(at - 1) / 2].end) {
		c->job[at] = c->job[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	c->job[at] = job;
	c->active++;
	cpu_changed(c);
}

void cpu_withdraw(struct cpu *c, uint64_t now_us)
{
	cpu_advance(c, now_us);
	c->active--;
	cpu_changed(c);
}

bool cpu_take(struct cpu *c, uint64_t now_us, struct cpu_job *ret_job)
{
	struct cpu_job last;
	uint32_t at = 0;

	cpu_advance(c, now_us);
	if (c->jobs == 0)
		return false;
	*ret_job = c->job[0];
	last = c->job[--c->jobs];
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= c->jobs)
			break;
		if (child + 1 < c->jobs && c->job[child + 1].end < c->job[child].end)
			child++;
		if (c->job[child].end >= last.end)
			break;
		c->job[at] = c->job[child];
		at = child;
	}
	if (c->jobs)
		c->job[at] = last;
	if (ret_job->end > c->clock) /* the event came at the next whole microsecond */
		c->clock = ret_job->end;
	cpu_changed(c);
	return true;
}

void cpu_finished(struct cpu *c)
{
	c->active--;
	cpu_changed(c);
}
