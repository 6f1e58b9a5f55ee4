#include "penstock-sim/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "penstock-sim/grow.h"

/* fmin() and fmax() are calls, since they also have an answer for what is not a number. */
static inline double lesser(double a, double b)
{
	return a < b ? a : b;
}

static inline double greater(double a, double b)
{
	return a > b ? a : b;
}

void cpu_init(struct cpu *c, const struct cpu_config *config)
{
	memset(c, 0, sizeof(*c));
	c->config = config;
	c->next_us = UINT64_MAX;
	c->weight = 1;
}

void cpu_done(struct cpu *c)
{
	free(c->line[0].job);
	free(c->line[1].job);
}

/* The share of a core that each of `n` jobs gets; ret_useful: the useful part of that. */
static double share_of(const struct cpu *c, double n, double *ret_useful)
{
	const struct cpu_config *k = c->config;
	double left = greater(k->machine_cores - c->neighbour / c->weight, 0.02);
	double cores = greater(lesser(k->cores, left) - c->overhead, 0.01);
	double over = k->knee > 0 ? greater(0, n - k->knee) * k->thrash : 0;
	double each = n > 0 ? lesser(1, cores / n) : 0;

	*ret_useful = c->stuck > 0 ? 0 : each / (1 + over);
	/* A neighbour on the same cores takes its share by weight. */
	if (c->neighbour > 0 && n > 0 && c->neighbour + n > k->machine_cores)
		*ret_useful *= lesser(1, k->machine_cores /
						 (c->neighbour / c->weight + lesser(n, k->cores)));
	return each;
}

double cpu_best(const struct cpu *c)
{
	double best = 0, useful;

	for (int n = 1; n <= ceil(c->config->machine_cores) + 1; n++) {
		share_of(c, n, &useful);
		best = greater(best, n * useful);
	}
	return best;
}

/* Each of the two control groups gets its half, and what the other one cannot use. */
static void share(struct cpu *c)
{
	double useful, each = share_of(c, c->active, &useful), server = c->active - c->apart;
	double apart_cores, half;

	c->used = each * c->active;
	c->line[0].useful = c->line[1].useful = useful;
	if (!c->config->by_group || !c->apart || server <= 0 || each <= 0)
		return;
	half = lesser(server, c->used / 2);
	apart_cores = lesser(c->apart, c->used - half);
	c->line[0].useful = useful / each * lesser(1, (c->used - apart_cores) / server);
	c->line[1].useful = useful / each * apart_cores / c->apart;
}

/* How long the first job of a line still takes; INFINITY: it has none, or none gets on. */
static double left_s(const struct cpu_line *l)
{
	if (l->jobs == 0 || l->useful <= 0)
		return INFINITY;
	return greater(0, (l->job[0].end - l->clock) / l->useful);
}

void cpu_changed(struct cpu *c)
{
	double left;

	share(c);
	left = lesser(left_s(&c->line[0]), left_s(&c->line[1]));
	c->next_us = isinf(left) ? UINT64_MAX : c->at_us + (uint64_t)ceil(left * 1e6);
}

void cpu_advance(struct cpu *c, uint64_t now_us)
{
	double dt = (double)(now_us - c->at_us) / 1e6;

	c->at_us = now_us;
	c->line[0].clock += c->line[0].useful * dt;
	c->line[1].clock += c->line[1].useful * dt;
	c->ran_s += c->used * dt;
	if (c->active > lesser(c->config->cores, c->config->machine_cores - c->neighbour)) {
		c->stalled_s += dt;
		if (c->active > c->apart)
			c->own_stalled_s += dt;
	}
}

void cpu_put(struct cpu *c, uint64_t now_us, double work_s, struct cpu_job job)
{
	struct cpu_line *l = &c->line[job.apart];
	uint32_t at = l->jobs++;

	cpu_advance(c, now_us);
	job.end = l->clock + work_s;
	l->job = grow(l->job, &l->room, l->jobs, sizeof(*l->job));
	while (at > 0 && job.end < l->job[(at - 1) / 2].end) {
		l->job[at] = l->job[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	l->job[at] = job;
	c->active++;
	c->apart += job.apart;
	cpu_changed(c);
}

void cpu_withdraw(struct cpu *c, uint64_t now_us)
{
	cpu_advance(c, now_us);
	c->active--;
	cpu_changed(c);
}

static struct cpu_job take_first(struct cpu_line *l)
{
	struct cpu_job first = l->job[0], last = l->job[--l->jobs];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= l->jobs)
			break;
		if (child + 1 < l->jobs && l->job[child + 1].end < l->job[child].end)
			child++;
		if (l->job[child].end >= last.end)
			break;
		l->job[at] = l->job[child];
		at = child;
	}
	if (l->jobs)
		l->job[at] = last;
	return first;
}

bool cpu_take(struct cpu *c, uint64_t now_us, struct cpu_job *ret_job)
{
	struct cpu_line *server = &c->line[0], *apart = &c->line[1], *l;
	double late, server_s, apart_s;

	cpu_advance(c, now_us);
	server_s = left_s(server);
	apart_s = left_s(apart);
	if (isinf(server_s) && isinf(apart_s))
		return false;
	l = apart_s < server_s ? apart : server;
	*ret_job = take_first(l);
	/* The event came at the next whole microsecond. */
	late = greater(0, ret_job->end - l->clock);
	l->clock += late;
	if (!c->config->by_group)
		server->clock = apart->clock = l->clock;
	return true;
}

void cpu_finished(struct cpu *c, const struct cpu_job *job)
{
	c->active--;
	c->apart -= job->apart;
	cpu_changed(c);
}
