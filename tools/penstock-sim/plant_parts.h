/* What the files of the plant share. plant.c is the life of a session, plant_owed.c has the
 * sessions that wait for the server, plant_stages.c what a message goes through. */
#ifndef PENSTOCK_SIM_PLANT_PARTS_H
#define PENSTOCK_SIM_PLANT_PARTS_H

#include "core/splitmix.h"
#include "penstock-sim/plant.h"

#define LINGER_S 0.01 /* from the answer to the end of the session */
#define FILTER_JOB UINT32_MAX /* kind of a CPU job; other jobs have a session's id there */

/* A session's random part of memory, which its number and the time of its beginning determine. */
double plant_excess(const struct plant *plant, uint32_t id, uint64_t opened_us);
/* From now on the server owes the session a greeting or an answer. */
void plant_owe(struct plant *plant, uint32_t id, enum plant_owed owed);
/* It owes nothing more. `greeted`: it owed the greeting, and gave it. */
void plant_answered(struct plant *plant, uint32_t id, bool greeted);
/* Reports the end of a session once, to the owner of its message. */
void plant_tell(struct plant *plant, struct plant_session *session, enum plant_end end);
/* Once a tick: sessions that were overtaken become stuck, and clients without patience leave. */
void plant_see_overtaken(struct plant *plant);
void plant_lose_patience(struct plant *plant, uint64_t greeting_timeout_us);

/* Called when the session's CPU is done; the filter before the queue; the commit. */
void plant_worked(struct plant *plant, uint32_t id);
void plant_checked(struct plant *plant, uint32_t id);
void plant_committed(struct plant *plant);
/* A message goes to the filter behind the queue, if there is one; a message has left it. */
void plant_filter(struct plant *plant);
void plant_filtered(struct plant *plant, const struct cpu_job *job);

/* Keeps the session in `phase` for half to one and a half times `mean_s`. */
static inline void plant_wait(struct plant *p, uint32_t id, enum plant_phase phase, double mean_s)
{
	struct plant_session *s = &p->session[id];

	s->phase = (uint8_t)phase;
	s->until_us = p->now_us + (uint64_t)(1e6 * mean_s * (0.5 + splitmix_unit(&p->random)));
	queue_put(p->queue, s->until_us, PLANT_TIMER | p->tag, id);
}

/* Keeps the session in `phase` until it has had `work_s` of CPU. */
static inline void plant_work(struct plant *p, uint32_t id, enum plant_phase phase, double work_s)
{
	p->session[id].phase = (uint8_t)phase;
	cpu_put(&p->cpu, p->now_us, work_s,
		(struct cpu_job){ .id = id, .generation = p->session[id].generation });
}

#endif
