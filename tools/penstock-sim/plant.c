#include "penstock-sim/plant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/smooth.h"
#include "core/splitmix.h"
#include "penstock-sim/grow.h"

#define GREET_SHARE 0.15 /* share of a message's CPU that its greeting takes */
#define LINGER_S 0.01
#define FILTER_JOB UINT32_MAX
/* size of the queue in front of the filter: further mail is only counted */
#define FILTER_DEPTH 1000000u

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
					     .thrash = p->config.thrash };
	cpu_changed(&p->cpu);
}

double plant_session_s(const struct plant *p)
{
	const struct plant_config *k = &p->config;
	double think = k->think_s * (1 - k->slow_share) + k->think_slow_s * k->slow_share;
	double commit = k->commit_s > 0 ? 1.5 * k->commit_s : 0;

	return k->cost_s + k->lookup_s * k->lookup_share + k->check_s * k->check_share + think +
	       commit + LINGER_S;
}

/* The least of the rates that CPU, commits, slots and memory allow, with the session time of an
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

/* ---- who is owed ---------------------------------------------------------------------------- */

void plant_settle(struct plant *p)
{
	uint64_t dt = p->now_us - p->busy_us_at;

	p->counts.busy_us += plant_busy(p) * dt;
	if (p->committing_count)
		p->io_stalled_s += (double)dt / 1e6;
	if (p->config.memory_bytes > 0 && plant_memory(p) > 0.97 * p->config.memory_bytes)
		p->mem_stalled_s += (double)dt / 1e6;
	p->busy_us_at = p->now_us;
}

static void owe(struct plant *p, uint32_t id, enum plant_owed owed)
{
	struct plant_session *s = &p->session[id];
	struct plant_list *list = &p->owed[owed];

	plant_settle(p);
	s->owed = (uint8_t)owed;
	s->owed_us = p->now_us;
	s->previous = list->last;
	s->next = 0;
	if (list->last)
		p->session[list->last].next = id;
	else
		list->first = id;
	list->last = id;
	list->count++;
}

static void answered(struct plant *p, uint32_t id, bool greeted)
{
	struct plant_session *s = &p->session[id];
	struct plant_list *list = &p->owed[s->owed];

	if (s->owed == OWED_NOTHING)
		return;
	plant_settle(p);
	if (s->owed == OWED_GREETING)
		greetings_end(&p->greetings, greeted);
	if (s->previous)
		p->session[s->previous].next = s->next;
	else
		list->first = s->next;
	if (s->next)
		p->session[s->next].previous = s->previous;
	else
		list->last = s->previous;
	list->count--;
	if (s->owed == OWED_GREETING || s->owed == OWED_ANSWER)
		s->server_s += (double)(p->now_us - s->owed_us) / 1e6;
	else
		s->stuck_us += p->now_us - s->owed_us;
	if (s->owed == OWED_STUCK)
		s->stuck_s += (double)(p->now_us - s->owed_us) / 1e6;
	s->owed = OWED_NOTHING;
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void ring_put(struct plant_ring *r, uint32_t id)
{
	if (r->count == r->room) {
		struct plant_ring wider = { .room = r->room ? 2 * r->room : 256 };

		wider.id = grow_zeroed(wider.room, sizeof(*wider.id));
		for (uint32_t i = 0; i < r->count; i++)
			wider.id[i] = r->id[(r->first + i) % r->room];
		wider.count = r->count;
		free(r->id);
		*r = wider;
	}
	r->id[(r->first + r->count++) % r->room] = id;
}

static uint32_t ring_take(struct plant_ring *r)
{
	uint32_t id = r->id[r->first];

	r->first = (r->first + 1) % r->room;
	r->count--;
	return id;
}

static uint32_t ring_take_last(struct plant_ring *r)
{
	return r->id[(r->first + --r->count) % r->room];
}

static void wait_for(struct plant *p, uint32_t id, enum plant_phase phase, double mean_s)
{
	struct plant_session *s = &p->session[id];

	s->phase = (uint8_t)phase;
	s->until_us = p->now_us + (uint64_t)(1e6 * mean_s * (0.5 + splitmix_unit(&p->random)));
	queue_put(p->queue, s->until_us, PLANT_TIMER | p->tag, id);
}

static void start_work(struct plant *p, uint32_t id, enum plant_phase phase, double work_s)
{
	p->session[id].phase = (uint8_t)phase;
	cpu_put(&p->cpu, p->now_us, work_s, id, p->session[id].generation);
}

/* A missing process must be forked; idle ones end after a while. */
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
	start_work(p, id, PHASE_GREET, p->config.cost_s * GREET_SHARE + fork_cost(p));
}

static void fill_slots(struct plant *p)
{
	while (p->in_slots + p->config.stalled < p->config.slots && p->accept.count) {
		uint32_t id = ring_take(&p->accept);

		plant_settle(p);
		p->in_slots++;
		if (p->config.lookup_s > 0 && (p->config.lookup_share >= 1 ||
					       splitmix_unit(&p->random) < p->config.lookup_share))
			wait_for(p, id, PHASE_LOOKUP, p->config.lookup_s);
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
		if (message != PLANT_NOBODY)
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
				     .size = size,
				     .phase = PHASE_QUEUED };
	s->slow = p->config.slow_share > 0 && splitmix_unit(&p->random) < p->config.slow_share;
	p->in_flight++;
	s->due = greetings_begin(&p->greetings);
	owe(p, id, OWED_GREETING);
	ring_put(&p->accept, id);
	fill_slots(p);
}

static void close_session(struct plant *p, uint32_t id)
{
	struct plant_session *s = &p->session[id];
	uint64_t whole_us;

	answered(p, id, false);
	plant_settle(p);
	if (s->phase != PHASE_QUEUED)
		p->in_slots--;
	p->counts.finished++;
	/* The count of sessions dropped it when the client left. */
	whole_us = (s->gone ? s->left_us : p->now_us) - s->opened_us;
	p->counts.session_us += whole_us > s->stuck_us ? whole_us - s->stuck_us : 0;
	p->counts.server_us += (uint64_t)(s->server_s * 1e6);
	s->phase = PHASE_FREE;
	s->next = p->free;
	p->free = id;
	p->in_flight--;
}

static void tell(struct plant *p, struct plant_session *s, enum plant_end end)
{
	uint32_t message = s->message;

	s->message = PLANT_NOBODY;
	if (message != PLANT_NOBODY)
		p->ended(p->who, message, end, s->server_s);
}

/* Adds the CPU that the filter has used up to now; call it before the number of its running jobs
 * changes. */
void plant_settle_filter(struct plant *p)
{
	cpu_advance(&p->cpu, p->now_us);
	p->filter_ran_s += p->filters * (p->cpu.clock - p->filter_clock);
	p->filter_clock = p->cpu.clock;
}

/* Accepted mail goes through the filter, which runs on the same cores. */
static void feed_filter(struct plant *p)
{
	plant_settle_filter(p);
	while (p->filter_queue && p->filters < p->config.filter_slots) {
		p->filter_queue--;
		p->cpu.apart = ++p->filters;
		cpu_put(&p->cpu, p->now_us,
			p->config.filter_s * (0.7 + 0.6 * splitmix_unit(&p->random)), FILTER_JOB,
			0);
	}
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
	if (p->config.filter_s > 0 && p->filter_queue < FILTER_DEPTH) {
		p->filter_queue++;
		feed_filter(p);
	}
	tell(p, s, END_DELIVERED);
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
	answered(p, id, true);
	p->counts.greeted++;
	p->counts.connect_220[counts_slot(p->now_us - s->opened_us)]++;
	p->counts.connect_220_sum_us += p->now_us - s->opened_us;
	wait_for(p, id, PHASE_THINK, s->slow ? p->config.think_slow_s : p->config.think_s);
}

static void start_commit(struct plant *p)
{
	uint32_t *ids = p->committing, room = p->committing_room;
	double s = p->config.commit_s + p->config.commit_each_s * p->waiting_commit_count;

	if (p->committing_count || !p->waiting_commit_count)
		return;
	plant_settle(p);
	p->committing = p->waiting_commit;
	p->committing_room = p->waiting_commit_room;
	p->committing_count = p->waiting_commit_count;
	p->waiting_commit = ids;
	p->waiting_commit_room = room;
	p->waiting_commit_count = 0;
	queue_put(p->queue, p->now_us + (uint64_t)(s * 1e6), PLANT_COMMIT | p->tag, 0);
}

/* The message is taken. */
static void accepted(struct plant *p, uint32_t id)
{
	if (p->session[id].owed == OWED_STUCK)
		answers_late(&p->answers);
	answered(p, id, false);
	wait_for(p, id, PHASE_LINGER, LINGER_S);
}

static void store(struct plant *p, uint32_t id)
{
	if (p->config.commit_s > 0 || p->config.commit_each_s > 0) {
		p->session[id].phase = PHASE_COMMIT;
		p->waiting_commit = grow(p->waiting_commit, &p->waiting_commit_room,
					 p->waiting_commit_count + 1, sizeof(uint32_t));
		p->waiting_commit[p->waiting_commit_count++] = id;
		start_commit(p);
		return;
	}
	accepted(p, id);
}

static void feed_checks(struct plant *p)
{
	while (p->checks < p->config.check_slots && p->to_check.count) {
		uint32_t id = p->config.check_last > 0 ? ring_take_last(&p->to_check)
						       : ring_take(&p->to_check);

		if (p->session[id].phase != PHASE_TO_CHECK)
			continue; /* killed meanwhile */
		p->checks++;
		wait_for(p, id, PHASE_CHECK, p->config.check_s);
	}
}

static void worked(struct plant *p, uint32_t id)
{
	if (p->config.check_s <= 0 || splitmix_unit(&p->random) >= p->config.check_share) {
		store(p, id);
		return;
	}
	p->session[id].phase = PHASE_TO_CHECK;
	ring_put(&p->to_check, id);
	feed_checks(p);
}

static void checked(struct plant *p, uint32_t id)
{
	p->checks--;
	store(p, id);
	feed_checks(p);
}

static void committed(struct plant *p)
{
	uint32_t count = p->committing_count;

	plant_settle(p);
	p->committing_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t id = p->committing[i];

		if (p->session[id].phase != PHASE_COMMIT)
			continue; /* killed meanwhile */
		accepted(p, id);
	}
	start_commit(p);
}

void plant_run_cpu(struct plant *p)
{
	struct cpu_job job;
	struct plant_session *s;

	p->now_us = p->cpu.next_us;
	if (!cpu_take(&p->cpu, p->now_us, &job))
		return;
	if (job.id == FILTER_JOB) {
		plant_settle_filter(p);
		cpu_finished(&p->cpu);
		p->cpu.apart = --p->filters;
		p->filtered++;
		feed_filter(p);
		return;
	}
	s = &p->session[job.id];
	if (s->generation != job.generation || (s->phase != PHASE_GREET && s->phase != PHASE_WORK))
		return; /* it was killed before; its share went to the others */
	cpu_finished(&p->cpu);
	if (s->phase == PHASE_GREET)
		greeted(p, job.id);
	else
		worked(p, job.id);
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
		owe(p, id, OWED_ANSWER);
		start_work(p, id, PHASE_WORK,
			   p->config.cost_s * (1 - GREET_SHARE) * s->size *
				   (0.7 + 0.6 * splitmix_unit(&p->random)));
	} else if (s->phase == PHASE_CHECK) {
		checked(p, id);
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
		committed(p);
}

/* ---- every tick ----------------------------------------------------------------------------- */

static bool is_stuck(const struct plant *p, uint64_t since_us, const struct ask *ask)
{
	return answers_overtaken(&p->answers, ask) ||
	       p->now_us >= since_us + answers_long_us(&p->answers);
}

/* The session that waits longest for a greeting is first in the list. */
static void see_overtaken(struct plant *p)
{
	uint32_t id, next;

	p->stuck |= p->stalled > 0 && is_stuck(p, p->stalled_us, &p->stalled_ask);
	for (id = p->owed[OWED_ANSWER].first; id; id = next) {
		const struct plant_session *s = &p->session[id];

		next = s->next;
		if (!is_stuck(p, s->owed_us, &s->ask))
			continue;
		answered(p, id, false);
		owe(p, id, OWED_STUCK);
	}
	while ((id = p->owed[OWED_GREETING].first) &&
	       greetings_overtaken(&p->greetings, p->session[id].due)) {
		answered(p, id, false);
		owe(p, id, OWED_OVERTAKEN);
	}
}

static void leave(struct plant *p, uint32_t id, enum plant_end end)
{
	answered(p, id, false);
	p->session[id].gone = true;
	p->session[id].left_us = p->now_us;
	tell(p, &p->session[id], end);
}

static void impatience(struct plant *p, uint64_t greeting_timeout_us)
{
	uint64_t patience_us = (uint64_t)(p->config.greet_patience_s * 1e6);
	uint64_t greet_us = patience_us;
	uint64_t done_us = (uint64_t)(p->config.done_patience_s * 1e6);
	bool late = greeting_timeout_us > 0 && greeting_timeout_us < greet_us;
	uint32_t id;

	if (late)
		greet_us = greeting_timeout_us;
	while ((id = p->owed[OWED_GREETING].first) &&
	       p->now_us - p->session[id].owed_us > greet_us) {
		if (late) {
			p->counts.deferred++;
			p->counts.deferred_by[REASON_LATE]++;
			plant_told(p, p->now_us - p->session[id].opened_us +
					      (uint64_t)(p->session[id].held_s * 1e6));
		}
		leave(p, id, late ? END_LATE : END_GAVE_UP);
	}
	while ((id = p->owed[OWED_OVERTAKEN].first) &&
	       p->now_us - p->session[id].opened_us > patience_us)
		leave(p, id, END_GAVE_UP);
	while ((id = p->owed[OWED_ANSWER].first) && p->now_us - p->session[id].asked_us > done_us)
		leave(p, id, END_GAVE_UP);
	while ((id = p->owed[OWED_STUCK].first) && p->now_us - p->session[id].asked_us > done_us)
		leave(p, id, END_GAVE_UP);
}

/* A session holds its own memory from the beginning, and its message's until it ends. The latter is
 * exponential: some messages take many times the mean. */
double plant_memory(const struct plant *p)
{
	const struct plant_config *k = &p->config;
	double sum = 0;

	if (k->memory_spread <= 0)
		return k->session_bytes * p->in_slots;
	for (uint32_t i = 1; i < p->sessions; i++) {
		const struct plant_session *s = &p->session[i];
		uint64_t state = s->opened_us * 2654435761u + i;

		if (s->phase <= PHASE_QUEUED)
			continue;
		sum += 1 - k->memory_spread;
		if (s->phase >= PHASE_THINK)
			sum += k->memory_spread * -log(1 - splitmix_unit(&state));
	}
	return k->session_bytes * sum;
}

/* Out of memory: the kernel kills the youngest sessions first; killed ones are not completed. */
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
		tell(p, &p->session[victim], END_KILLED);
		close_session(p, victim);
	}
}

void plant_tick(struct plant *p, uint64_t greeting_timeout_us, double rejects_per_s)
{
	plant_settle(p);
	see_overtaken(p);
	impatience(p, greeting_timeout_us);
	kill_for_memory(p);
	fill_slots(p);
	cpu_advance(&p->cpu, p->now_us);
	p->cpu.overhead = rejects_per_s * p->config.reject_s;
	cpu_changed(&p->cpu);
}
