/* Figures of a plant, computed without changing it. */
#include <math.h>

#include "core/splitmix.h"
#include "penstock-sim/plant_parts.h"

double plant_session_s(const struct plant *p)
{
	const struct plant_config *k = &p->config;
	double think = k->think_s * (1 - k->slow_share) + k->think_slow_s * k->slow_share;
	double commit = k->commit_s > 0 ? 1.5 * k->commit_s : 0;

	return k->cost_s + k->lookup_s * k->lookup_share + k->check_s * k->check_share + think +
	       commit + LINGER_S;
}

/* The lowest of the rates that CPU, commits, slots and memory allow, with the session time of an
 * unloaded server. */
double plant_capacity(const struct plant *p)
{
	const struct plant_config *k = &p->config;
	double session = plant_session_s(p);
	double cores =
		fmin(k->cores, fmax(0.02, k->machine_cores - p->cpu.neighbour / p->cpu.weight));
	double most = cores / (k->cost_s + k->filter_s);

	if (k->commit_each_s > 0)
		most = fmin(most, 1 / k->commit_each_s);
	if (k->check_s > 0)
		most = fmin(most, k->check_slots / (k->check_s * k->check_share));
	most = fmin(most, k->slots / session);
	if (k->memory_bytes > 0 && k->session_bytes > 0)
		most = fmin(most, k->memory_bytes / k->session_bytes / session);
	return most;
}

void plant_reveal(const struct plant *p, struct clairvoyant_tick *ret)
{
	const struct plant_config *k = &p->config;
	double job_s = k->cost_s + k->filter_s, per_s = cpu_best(&p->cpu) / job_s;
	double places = fmax(0, k->slots - k->stalled);

	if (k->commit_each_s > 0)
		per_s = fmin(per_s, 1 / k->commit_each_s);
	if (k->check_s > 0)
		per_s = fmin(per_s, k->check_slots / (k->check_s * k->check_share));
	if (k->filter_s > 0)
		per_s = fmin(per_s, k->filter_slots / k->filter_s);
	if (k->memory_bytes > 0 && k->session_bytes > 0)
		places = fmin(places, floor(k->memory_bytes / k->session_bytes));
	ret->jobs = (float)(per_s * CLAIRVOYANT_TICK_S);
	ret->places = (float)places;
	ret->session_s = (float)plant_session_s(p);
	ret->fork_jobs = (float)(k->fork_s / job_s);
	ret->idle_s = (float)k->idle_s;
}

/* Exponential: some messages take many times the mean. */
double plant_excess(const struct plant *p, uint32_t id, uint64_t opened_us)
{
	uint64_t state = opened_us * 2654435761u + id;

	return p->config.memory_spread > 0 ? -log(1 - splitmix_unit(&state)) : 0;
}

/* A session holds its own memory from the beginning, and that of its message until it ends. */
double plant_memory(const struct plant *p)
{
	const struct plant_config *k = &p->config;
	double sum = 0;

	if (k->memory_spread <= 0)
		return k->session_bytes * p->in_slots;
	for (uint32_t i = 1; i < p->sessions; i++) {
		const struct plant_session *s = &p->session[i];

		if (s->phase <= PHASE_QUEUED)
			continue;
		sum += 1 - k->memory_spread;
		if (s->phase >= PHASE_THINK)
			sum += k->memory_spread * s->excess;
	}
	return k->session_bytes * sum;
}
