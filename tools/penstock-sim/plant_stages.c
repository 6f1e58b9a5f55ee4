/* What a message goes through after its session's CPU: the filter before the queue, the commit, and
 * the filter behind the queue. */
#include "penstock-sim/grow.h"
#include "penstock-sim/plant_parts.h"

/* size of the queue in front of the filter: further mail is only counted */
#define FILTER_DEPTH 1000000u

/* Adds the CPU that the filter has used up to now. Call it before the number of its running jobs
 * changes. */
void plant_settle_filter(struct plant *p)
{
	cpu_advance(&p->cpu, p->now_us);
	p->filter_ran_s += p->filters * (p->cpu.line[1].clock - p->filter_clock);
	p->filter_clock = p->cpu.line[1].clock;
}

/* Passes accepted mail to the filter, which runs on the same cores. */
static void feed_filter(struct plant *p)
{
	plant_settle_filter(p);
	while (p->filter_queue && p->filters < p->config.filter_slots) {
		p->filter_queue--;
		p->filters++;
		cpu_put(&p->cpu, p->now_us,
			p->config.filter_s * (0.7 + 0.6 * splitmix_unit(&p->random)),
			(struct cpu_job){ .id = FILTER_JOB, .apart = true });
	}
}

void plant_filter(struct plant *p)
{
	if (p->config.filter_s <= 0 || p->filter_queue >= FILTER_DEPTH)
		return;
	p->filter_queue++;
	feed_filter(p);
}

void plant_filtered(struct plant *p, const struct cpu_job *job)
{
	plant_settle_filter(p);
	cpu_finished(&p->cpu, job);
	p->filters--;
	p->filtered++;
	feed_filter(p);
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

/* The server accepts the message. */
static void accepted(struct plant *p, uint32_t id)
{
	if (p->session[id].owed == OWED_STUCK)
		answers_late(&p->answers);
	plant_answered(p, id, false);
	plant_wait(p, id, PHASE_LINGER, LINGER_S);
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
		plant_wait(p, id, PHASE_CHECK, p->config.check_s);
	}
}

void plant_worked(struct plant *p, uint32_t id)
{
	if (p->config.check_s <= 0 || splitmix_unit(&p->random) >= p->config.check_share) {
		store(p, id);
		return;
	}
	p->session[id].phase = PHASE_TO_CHECK;
	ring_put(&p->to_check, id);
	feed_checks(p);
}

void plant_checked(struct plant *p, uint32_t id)
{
	p->checks--;
	store(p, id);
	feed_checks(p);
}

void plant_committed(struct plant *p)
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
