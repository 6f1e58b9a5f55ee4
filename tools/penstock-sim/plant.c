#include "penstock-sim/plant.h"

#include <math.h>
#include <string.h>

#include "core/splitmix.h"

#define STEP_US 1000u
#define STEP_S 0.001
#define GREET_SHARE 0.15 /* of the CPU of a message goes into its greeting */

void plant_init(struct plant *p, const struct plant_config *config, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	p->config = *config;
	p->random = seed;
	p->now_us = 1000000;
}

double plant_capacity(const struct plant *p)
{
	return p->config.cores / p->config.cost_s;
}

static bool is_active(const struct plant_session *s)
{
	return s->phase == PHASE_GREET || s->phase == PHASE_WORK;
}

static void wait_for(struct plant *p, struct plant_session *s, enum plant_phase phase,
		     double mean_s)
{
	s->phase = (uint8_t)phase;
	s->until_us = p->now_us + (uint64_t)(1e6 * mean_s * (0.5 + splitmix_unit(&p->random)));
}

static void answered(struct plant *p, struct plant_session *s)
{
	s->server_s += (double)(p->now_us - s->owed_us) / 1e6;
}

void plant_open(struct plant *p)
{
	struct plant_session *s;

	if (p->count == PLANT_SESSIONS)
		return;
	s = &p->session[p->count++];
	memset(s, 0, sizeof(*s));
	s->opened_us = s->owed_us = p->now_us;
	s->work_s = p->config.cost_s * GREET_SHARE;
	s->phase = PHASE_QUEUED;
}

static void close_session(struct plant *p, unsigned i)
{
	struct plant_session *s = &p->session[i];

	if (s->phase != PHASE_QUEUED)
		p->in_slots--;
	p->counts.finished++;
	p->counts.session_us += p->now_us - s->opened_us;
	p->counts.server_us += (uint64_t)(s->server_s * 1e6);
	if (s->server_s > p->latency_worst_s)
		p->latency_worst_s = s->server_s;
	if (s->server_s <= 1)
		p->in_time++;
	p->session[i] = p->session[--p->count];
}

/* What a session does when the CPU has done its part. */
static void work_done(struct plant *p, struct plant_session *s)
{
	if (s->phase == PHASE_GREET) {
		answered(p, s);
		s->greeted = true;
		p->counts.greeted++;
		p->counts.connect_220[counts_slot(p->now_us - s->opened_us)]++;
		wait_for(p, s, PHASE_THINK, p->config.think_s);
		return;
	}
	if (p->config.commit_s > 0) {
		s->phase = PHASE_COMMIT;
		return;
	}
	answered(p, s);
	wait_for(p, s, PHASE_LINGER, 0.01);
}

/* Processor sharing; past the knee each more active session wastes a part. */
static void share_cpu(struct plant *p, unsigned active)
{
	double cores = fmin(p->config.cores, fmax(0.02, p->config.machine_cores - p->neighbour));
	double over = p->config.knee > 0 ? fmax(0, active - p->config.knee) * p->config.thrash : 0;
	double each = active ? fmin(1, cores / active) * STEP_S : 0;
	double useful = p->stuck > 0 ? 0 : each / (1 + over);

	/* A neighbour on the same cores takes its share by weight. */
	if (p->neighbour > 0 && active && p->neighbour + active > p->config.machine_cores)
		useful *= fmin(1, p->config.machine_cores /
					  (p->neighbour + fmin(active, p->config.cores)));
	p->ran_s += each * active;
	if (active > cores)
		p->stalled_s += STEP_S;
	for (unsigned i = 0; i < p->count; i++) {
		struct plant_session *s = &p->session[i];

		if (!is_active(s))
			continue;
		s->work_s -= useful;
		if (s->work_s <= 0)
			work_done(p, s);
	}
}

static void step_commit(struct plant *p)
{
	unsigned waiting = 0;

	for (unsigned i = 0; i < p->count; i++)
		waiting += p->session[i].phase == PHASE_COMMIT;
	if (!waiting) {
		p->commit_until_us = 0;
		return;
	}
	p->io_stalled_s += STEP_S;
	if (p->commit_until_us == 0)
		p->commit_until_us = p->now_us + (uint64_t)(p->config.commit_s * 1e6);
	if (p->now_us < p->commit_until_us)
		return;
	p->commit_until_us = 0; /* all that wait now were in it */
	for (unsigned i = 0; i < p->count; i++) {
		struct plant_session *s = &p->session[i];

		if (s->phase != PHASE_COMMIT)
			continue;
		answered(p, s);
		wait_for(p, s, PHASE_LINGER, 0.01);
	}
}

/* The accept queue is one: the oldest first. */
static void fill_slots(struct plant *p)
{
	while (p->in_slots < p->config.slots) {
		struct plant_session *oldest = NULL;

		for (unsigned i = 0; i < p->count; i++)
			if (p->session[i].phase == PHASE_QUEUED &&
			    (!oldest || p->session[i].opened_us < oldest->opened_us))
				oldest = &p->session[i];
		if (!oldest)
			return;
		p->in_slots++;
		if (p->config.lookup_s > 0)
			wait_for(p, oldest, PHASE_LOOKUP, p->config.lookup_s);
		else
			oldest->phase = PHASE_GREET;
	}
}

static void step_session(struct plant *p, unsigned i)
{
	struct plant_session *s = &p->session[i];

	switch (s->phase) {
	case PHASE_LOOKUP:
		if (p->now_us >= s->until_us)
			s->phase = PHASE_GREET;
		break;
	case PHASE_THINK:
		if (p->now_us >= s->until_us) {
			s->phase = PHASE_WORK;
			s->owed_us = p->now_us;
			s->work_s = p->config.cost_s * (1 - GREET_SHARE) *
				    (0.7 + 0.6 * splitmix_unit(&p->random));
		}
		break;
	case PHASE_LINGER:
		if (p->now_us >= s->until_us) {
			p->counts.completed++;
			close_session(p, i);
		}
		break;
	default:
		break;
	}
}

/* Out of memory: the kernel kills; what is killed is not completed. */
static void step_memory(struct plant *p)
{
	double used = p->config.session_bytes * p->in_slots;

	if (p->config.memory_bytes <= 0)
		return;
	if (used > 0.97 * p->config.memory_bytes)
		p->mem_stalled_s += STEP_S;
	while (p->count && p->config.session_bytes * p->in_slots > p->config.memory_bytes) {
		p->oom_kills++;
		for (unsigned i = p->count; i-- > 0;)
			if (p->session[i].phase != PHASE_QUEUED) {
				close_session(p, i);
				break;
			}
	}
}

void plant_step(struct plant *p)
{
	unsigned active = 0, busy = 0;

	p->now_us += STEP_US;
	p->dt_s += STEP_S;
	fill_slots(p);
	for (unsigned i = p->count; i-- > 0;)
		step_session(p, i);
	for (unsigned i = 0; i < p->count; i++) {
		active += is_active(&p->session[i]);
		busy += p->session[i].phase != PHASE_THINK && p->session[i].phase != PHASE_LINGER;
	}
	share_cpu(p, active);
	step_commit(p);
	step_memory(p);
	p->counts.busy_us += (uint64_t)busy * STEP_US;
}

static void put_load(struct plant *p, struct load_service *l)
{
	unsigned waiting = 0, busy = 0;

	for (unsigned i = 0; i < p->count; i++) {
		waiting += !p->session[i].greeted;
		busy += p->session[i].phase != PHASE_THINK && p->session[i].phase != PHASE_LINGER;
	}
	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED;
	if (p->config.see_dialogue)
		l->known |= LOAD_COMPLETED | LOAD_BUSY | LOAD_WAITING;
	l->offered = p->counts.offered;
	l->admitted = p->counts.admitted;
	l->deferred = p->counts.deferred;
	l->would_defer = p->counts.would_defer;
	l->completed = p->counts.completed;
	l->finished = p->counts.finished;
	l->busy_us = p->counts.busy_us;
	l->server_us = p->counts.server_us;
	l->session_us = p->counts.session_us;
	l->in_flight = p->count;
	l->busy = busy;
	l->waiting = waiting;
}

void plant_observe(struct plant *p, struct sample *sample, struct load *load)
{
	double dt = fmax(p->dt_s, STEP_S), oldest = 0;
	unsigned queued = 0, active = 0;

	memset(load, 0, sizeof(*load));
	put_load(p, &load->service[0]);
	for (unsigned i = 0; i < p->count; i++) {
		const struct plant_session *s = &p->session[i];

		active += is_active(s);
		queued += s->phase == PHASE_QUEUED;
		if (!s->greeted)
			oldest = fmax(oldest, (double)(p->now_us - s->opened_us));
	}
	sample_put(sample, SIGNAL_CPU_STALL_RATIO,
		   fmin(1, (p->stalled_s +
			    (p->neighbour > p->config.machine_cores - 1 ? 0.5 * dt : 0)) /
				   dt),
		   VIA_PSI);
	sample_put(sample, SIGNAL_CPU_BUSY_RATIO,
		   fmin(1, (p->ran_s / dt + p->neighbour) / p->config.machine_cores), VIA_PROCFS);
	sample_put(sample, SIGNAL_RUNQ_P99_US,
		   4000.0 * fmax(0, (active + p->neighbour) / p->config.machine_cores - 1),
		   VIA_BPF);
	sample_put(sample, SIGNAL_IO_STALL_RATIO, fmin(1, p->io_stalled_s / dt), VIA_PSI);
	sample_put(sample, SIGNAL_MEM_STALL_RATIO, fmin(1, p->mem_stalled_s / dt), VIA_PSI);
	sample_put(sample, SIGNAL_ACCEPT_QUEUE_RATIO, fmin(1, queued / 128.0), VIA_SOCK_DIAG);
	sample_put(sample, SIGNAL_OLDEST_WAITING_US, oldest, VIA_FRONT);
	if (p->config.memory_bytes > 0) {
		double used = p->config.session_bytes * p->in_slots;

		sample_put(sample, SIGNAL_MEM_AVAILABLE_BYTES,
			   fmax(0, p->config.memory_bytes - used), VIA_CGROUP);
		sample_put(sample, SIGNAL_MTA_MEM_BYTES, used, VIA_CGROUP);
		sample_put(sample, SIGNAL_MEM_USED_RATIO, used / p->config.memory_bytes,
			   VIA_CGROUP);
	}
	sample_put(sample, SIGNAL_MTA_CORES, p->config.machine_cores, VIA_CGROUP);
	if (p->config.see_cost) {
		sample_put(sample, SIGNAL_MTA_CPU_CORES, p->ran_s / dt, VIA_CGROUP);
		sample_put(sample, SIGNAL_MTA_CPU_STALL_RATIO, fmin(1, p->stalled_s / dt),
			   VIA_CGROUP);
	}
	p->ran_s = p->stalled_s = p->io_stalled_s = p->mem_stalled_s = p->dt_s = 0;
}
