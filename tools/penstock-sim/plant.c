#include "penstock-sim/plant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/smooth.h"
#include "core/splitmix.h"
#include "penstock-sim/grow.h"
#include "penstock-sim/plant_parts.h"

#define GREET_SHARE 0.15 /* share of a message's CPU that its greeting takes */

void plant_init(struct plant *p, const struct plant_config *config, struct queue *queue,
		uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	p->config = *config;
	p->queue = queue;
	p->random = seed;
	p->sessions = 1;
	cpu_init(&p->cpu, &p->cpu_config);
	plant_changed(p, 0);
}

void plant_done(struct plant *p)
{
	cpu_done(&p->cpu);
	free(p->session);
	free(p->accept.id);
	free(p->to_check.id);
	free(p->committing);
	free(p->waiting_commit);
}

void plant_changed(struct plant *p, uint64_t now_us)
{
	if (p->config.stalled > p->stalled) {
		p->stalled_us = now_us;
		p->stuck = false;
		p->stalled_ask = answers_ask(&p->answers, plant_busy(p));
	}
	p->stalled = p->config.stalled;
	cpu_advance(&p->cpu, now_us);
	p->cpu_config = (struct cpu_config){ .cores = p->config.cores,
					     .machine_cores = p->config.machine_cores,
					     .knee = p->config.knee,
					     .thrash = p->config.thrash,
					     .by_group = p->config.by_group };
	cpu_changed(&p->cpu);
}

/* ---- sessions ------------------------------------------------------------------------------- */

/* The CPU of a process, if one must be forked for the session. Idle processes end after a while. */
static double fork_cost(struct plant *p)
{
	if (p->config.fork_s <= 0)
		return 0;
	if (p->config.idle_s > 0 && p->processes > p->in_slots)
		p->processes = p->in_slots + (p->processes - p->in_slots) *
						     exp(-(double)(p->now_us - p->processes_us) /
							 1e6 / p->config.idle_s);
	p->processes_us = p->now_us;
	if (p->in_slots <= p->processes)
		return 0;
	p->processes = p->in_slots;
	return p->config.fork_s;
}

static void greet(struct plant *p, uint32_t id)
{
	plant_work(p, id, PHASE_GREET, p->config.cost_s * GREET_SHARE + fork_cost(p));
}

static void fill_slots(struct plant *p)
{
	while (p->in_slots + p->config.stalled < p->config.slots && p->accept.count) {
		uint32_t id = ring_take(&p->accept);

		plant_settle(p);
		p->in_slots++;
		if (p->config.lookup_s > 0 && (p->config.lookup_share >= 1 ||
					       splitmix_unit(&p->random) < p->config.lookup_share))
			plant_wait(p, id, PHASE_LOOKUP, p->config.lookup_s);
		else
			greet(p, id);
	}
}

void plant_open(struct plant *p, uint32_t message, float size, uint64_t held_us)
{
	struct plant_session *s;
	uint32_t id = p->free, generation;

	if (p->accept.count >= p->config.backlog) {
		p->dropped++;
		if (message != PLANT_NO_MESSAGE)
			p->ended(p->who, message, END_DROPPED, 0);
		return;
	}
	if (id) {
		p->free = p->session[id].next;
	} else {
		id = p->sessions++;
		p->session = grow(p->session, &p->room, p->sessions, sizeof(*p->session));
		p->session[id].generation = 0;
	}
	s = &p->session[id];
	generation = s->generation + 1;
	*s = (struct plant_session){ .opened_us = p->now_us,
				     .generation = generation,
				     .message = message,
				     .held_s = (double)held_us / 1e6,
				     .excess = plant_excess(p, id, p->now_us),
				     .size = size,
				     .phase = PHASE_QUEUED };
	s->slow = p->config.slow_share > 0 && splitmix_unit(&p->random) < p->config.slow_share;
	p->in_flight++;
	s->due = greetings_begin(&p->greetings);
	plant_owe(p, id, OWED_GREETING);
	ring_put(&p->accept, id);
	fill_slots(p);
}

static void close_session(struct plant *p, uint32_t id)
{
	struct plant_session *s = &p->session[id];
	uint64_t whole_us;

	plant_answered(p, id, false);
	plant_settle(p);
	if (s->phase != PHASE_QUEUED)
		p->in_slots--;
	p->counts.finished++;
	/* If the client left, the session ended for it then. */
	whole_us = (s->gone ? s->left_us : p->now_us) - s->opened_us;
	p->counts.session_us += whole_us > s->stuck_us ? whole_us - s->stuck_us : 0;
	p->counts.server_us += (uint64_t)(s->server_s * 1e6);
	s->phase = PHASE_FREE;
	s->next = p->free;
	p->free = id;
	p->in_flight--;
}

static void delivered(struct plant *p, uint32_t id)
{
	struct plant_session *s = &p->session[id];
	double took_s = s->held_s + s->server_s + s->stuck_s;

	p->counts.completed++;
	answers_job(&p->answers);
	p->server_time[counts_slot((uint64_t)(s->server_s * 1e6))]++;
	p->session_time[counts_slot(p->now_us - s->opened_us)]++;
	p->latency_worst_s = fmax(p->latency_worst_s, took_s);
	p->in_time += took_s <= 1;
	p->good += took_s <= p->config.objective_s && !s->gone;
	plant_filter(p);
	plant_tell(p, s, END_DELIVERED);
	close_session(p, id);
	fill_slots(p);
}

/* ---- what happens --------------------------------------------------------------------------- */

static void greeted(struct plant *p, uint32_t id)
{
	struct plant_session *s = &p->session[id];

	if (s->gone) { /* its work is lost */
		close_session(p, id);
		fill_slots(p);
		return;
	}
	plant_answered(p, id, true);
	p->counts.greeted++;
	p->counts.connect_220[counts_slot(p->now_us - s->opened_us)]++;
	p->counts.connect_220_sum_us += p->now_us - s->opened_us;
	greeting_times_add(&p->greeting_times, p->now_us - s->opened_us);
	plant_wait(p, id, PHASE_THINK, s->slow ? p->config.think_slow_s : p->config.think_s);
}

void plant_run_cpu(struct plant *p)
{
	struct cpu_job job;
	struct plant_session *s;

	p->now_us = p->cpu.next_us;
	if (!cpu_take(&p->cpu, p->now_us, &job))
		return;
	if (job.id == FILTER_JOB) {
		plant_filtered(p, &job);
		return;
	}
	s = &p->session[job.id];
	if (s->generation != job.generation ||
	    (s->phase != PHASE_GREET && s->phase != PHASE_WORK)) {
		cpu_changed(&p->cpu);
		return; /* it was killed before; its share went to the others */
	}
	cpu_finished(&p->cpu, &job);
	if (s->phase == PHASE_GREET)
		greeted(p, job.id);
	else
		plant_worked(p, job.id);
}

static void timer(struct plant *p, uint32_t id)
{
	struct plant_session *s = &p->session[id];

	if (s->until_us != p->now_us)
		return;
	if (s->phase == PHASE_LOOKUP) {
		greet(p, id);
	} else if (s->phase == PHASE_THINK) {
		if (s->gone) {
			close_session(p, id);
			fill_slots(p);
			return;
		}
		s->ask = answers_ask(&p->answers, plant_busy(p));
		s->asked_us = p->now_us;
		plant_owe(p, id, OWED_ANSWER);
		plant_work(p, id, PHASE_WORK,
			   p->config.cost_s * (1 - GREET_SHARE) * s->size *
				   (0.7 + 0.6 * splitmix_unit(&p->random)));
	} else if (s->phase == PHASE_CHECK) {
		plant_checked(p, id);
	} else if (s->phase == PHASE_LINGER) {
		delivered(p, id);
	}
}

void plant_event(struct plant *p, const struct queue_event *event)
{
	p->now_us = event->at_us;
	if ((event->kind & PLANT_KIND) == PLANT_TIMER)
		timer(p, event->id);
	else
		plant_committed(p);
}

/* ---- every tick ----------------------------------------------------------------------------- */

/* Out of memory: the kernel kills the youngest sessions first. Killed sessions are not
 * completed. */
static void kill_for_memory(struct plant *p)
{
	if (p->config.memory_bytes <= 0)
		return;
	while (p->in_slots && plant_memory(p) > p->config.memory_bytes) {
		uint32_t victim = 0;

		for (uint32_t i = 1; i < p->sessions; i++) {
			const struct plant_session *s = &p->session[i];

			if (s->phase > PHASE_QUEUED &&
			    (!victim || s->opened_us > p->session[victim].opened_us))
				victim = i;
		}
		if (!victim)
			return;
		p->oom_kills++;
		if (p->session[victim].phase == PHASE_GREET ||
		    p->session[victim].phase == PHASE_WORK)
			cpu_withdraw(&p->cpu, p->now_us);
		p->checks -= p->session[victim].phase == PHASE_CHECK;
		plant_tell(p, &p->session[victim], END_KILLED);
		close_session(p, victim);
	}
}

void plant_tick(struct plant *p, uint64_t greeting_timeout_us, double rejects_per_s)
{
	plant_settle(p);
	plant_see_overtaken(p);
	plant_lose_patience(p, greeting_timeout_us);
	kill_for_memory(p);
	fill_slots(p);
	cpu_advance(&p->cpu, p->now_us);
	p->cpu.overhead = rejects_per_s * p->config.reject_s;
	cpu_changed(&p->cpu);
}
