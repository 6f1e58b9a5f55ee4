/* What the files of the plant share: plant.c is the life of a session, plant_owed.c knows who waits
 * for the server's word, plant_stages.c what a message waits for. */
#ifndef PENSTOCK_SIM_PLANT_PARTS_H
#define PENSTOCK_SIM_PLANT_PARTS_H

#include "core/splitmix.h"
#include "penstock-sim/plant.h"

#define LINGER_S 0.01 /* from the answer to the end of the session */
#define FILTER_JOB UINT32_MAX /* of the CPU, where others have the session's id */

/* The server owes the session a word from now on. */
void plant_owe(struct plant *plant, uint32_t id, enum plant_owed owed);
/* It owes nothing more. `greeted`: what it owed was the greeting, and it gave it. */
void plant_answered(struct plant *plant, uint32_t id, bool greeted);
/* Tells whose message it was how the session ended: once. */
void plant_tell(struct plant *plant, struct plant_session *session, enum plant_end end);
/* Every tick: who was overtaken counts as stuck from now on; whose patience ends leaves. */
void plant_see_overtaken(struct plant *plant);
void plant_lose_patience(struct plant *plant, uint64_t greeting_timeout_us);

/* The session's CPU is done; the filter before the queue is; the commit is. */
void plant_worked(struct plant *plant, uint32_t id);
void plant_checked(struct plant *plant, uint32_t id);
void plant_committed(struct plant *plant);
/* A message goes to the filter behind the queue, if there is one; one has left it. */
void plant_filter(struct plant *plant);
void plant_filtered(struct plant *plant);

/* The session is in `phase` for half to one and a half times `mean_s`, then it goes on. */
static inline void plant_wait(struct plant *p, uint32_t id, enum plant_phase phase, double mean_s)
{
	struct plant_session *s = &p->session[id];

	s->phase = (uint8_t)phase;
	s->until_us = p->now_us + (uint64_t)(1e6 * mean_s * (0.5 + splitmix_unit(&p->random)));
	queue_put(p->queue, s->until_us, PLANT_TIMER | p->tag, id);
}

/* The session is in `phase` until it has had `work_s` of CPU. */
static inline void plant_work(struct plant *p, uint32_t id, enum plant_phase phase, double work_s)
{
	p->session[id].phase = (uint8_t)phase;
	cpu_put(&p->cpu, p->now_us, work_s, id, p->session[id].generation);
}

#endif
