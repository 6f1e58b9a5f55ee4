/* A message's way: its attempts, what its sender makes of a refusal, delivery or giving up. */
#include <math.h>

#include "core/splitmix.h"
#include "penstock-sim/run.h"

#define JITTER 0.05

static bool is_counted(const struct run *r, const struct message *m)
{
	double first_s = (double)(m->first_us - RUN_BEGIN_US) / 1e6;

	return first_s >= r->measure.from_s && first_s < r->measure.to_s;
}

static void give_up(struct run *r, uint32_t id)
{
	const struct message *m = &r->senders.message[id];
	enum retry retry = r->senders.group[m->group].retry;

	if (retry_bounces(retry)) {
		r->measure.bounces++;
		r->measure.bounces_by[retry]++;
	} else if (retry_is_mail(retry)) {
		r->measure.lost++;
	}
	senders_forget(&r->senders, id);
}

/* The sender will try again, or has had enough. */
static void put_off(struct run *r, uint32_t id)
{
	struct message *m = &r->senders.message[id];
	double age_s = (double)(r->now_us - m->first_us) / 1e6, next_s;

	m->deferred = 1;
	if (m->tries < UINT8_MAX)
		m->tries++;
	next_s = retry_next_s(r->senders.group[m->group].retry, m->tries, age_s);
	if (next_s < 0) {
		give_up(r, id);
		return;
	}
	next_s = age_s +
		 (next_s - age_s) * (1 - JITTER + 2 * JITTER * splitmix_unit(&r->senders.random));
	queue_put(&r->queue, m->first_us + (uint64_t)(next_s * 1e6), RUN_RETRY, id);
}

static void refused(struct run *r, uint32_t id)
{
	const struct message *m = &r->senders.message[id];
	struct sender *sender = senders_of(&r->senders, id);
	unsigned refusals;
	double pause_s;

	retry_back_off(r->senders.group[m->group].retry, &refusals, &pause_s);
	if (sender && refusals) {
		if (sender->refusals < UINT8_MAX)
			sender->refusals++;
		if (sender->refusals >= refusals)
			sender->rests_until_s = (uint32_t)((double)r->now_us / 1e6 + pause_s);
	}
	put_off(r, id);
}

void traffic_open(struct run *r, uint32_t id)
{
	r->plant.now_us = r->now_us;
	plant_open(&r->plant, id, id == PLANT_NOBODY ? 1 : r->senders.message[id].size);
	if (r->plant.in_flight > r->measure.most_in_flight)
		r->measure.most_in_flight = r->plant.in_flight;
}

static bool connect_once(struct run *r, uint32_t id)
{
	struct law_request request = { .now_us = r->now_us, .under_way = r->under_way };
	struct measure_second *second = measure_at(&r->measure, r->now_us);
	struct verdict v;

	if (id != PLANT_NOBODY) {
		request.address = senders_address(&r->senders, id);
		r->senders.message[id].address = request.address;
		request.ranked = true;
	}
	v = law_decide(&r->law, &r->plant, &request);
	counts_verdict(&r->plant.counts, v);
	second->offered++;
	if (!v.admit) {
		second->refused++;
		return false;
	}
	if (r->scenario.verdict_delay_s > 0) {
		r->under_way++;
		queue_put(&r->queue, r->now_us + (uint64_t)(r->scenario.verdict_delay_s * 1e6),
			  RUN_OPEN, id);
	} else {
		traffic_open(r, id);
	}
	return true;
}

static void attempt(struct run *r, uint32_t id)
{
	struct message *m = &r->senders.message[id];
	struct sender *sender = senders_of(&r->senders, id);
	unsigned hosts = (unsigned)r->senders.group[m->group].mx;

	if (sender && sender->rests_until_s > r->now_us / 1000000) {
		put_off(r, id); /* without a connection */
		return;
	}
	for (unsigned i = 0; i < hosts; i++)
		if (connect_once(r, id))
			return;
	refused(r, id);
}

void traffic_arrive(struct run *r)
{
	struct measure_second *second = measure_at(&r->measure, r->now_us);
	const struct message *m;
	struct sender *sender;
	enum retry retry;
	uint32_t id;

	second->fresh++;
	if (!r->senders.groups) {
		connect_once(r, PLANT_NOBODY);
		return;
	}
	id = senders_message(&r->senders, r->now_us);
	m = &r->senders.message[id];
	retry = r->senders.group[m->group].retry;
	if (retry_is_mail(retry)) {
		r->measure.mail++;
		r->measure.arrived[retry][r->now_us / 1000000 < r->measure.seconds
						  ? r->now_us / 1000000
						  : r->measure.seconds - 1]++;
	}
	sender = senders_of(&r->senders, id);
	if (sender && is_counted(r, m))
		sender->sent++;
	attempt(r, id);
}

void traffic_retry(struct run *r, uint32_t id)
{
	attempt(r, id);
}

void traffic_ended(void *who, uint32_t id, enum plant_end end, double server_s)
{
	struct run *r = who;
	struct message *m = &r->senders.message[id];
	struct sender *sender = senders_of(&r->senders, id);

	if (end == END_LATE) {
		law_tell(&r->law, m->address, SOURCE_LATE, 0);
		refused(r, id);
		return;
	}
	if (end != END_DROPPED)
		law_tell(&r->law, m->address, SOURCE_FINISHED, (uint32_t)(server_s * 1e6));
	if (end != END_DELIVERED) {
		put_off(r, id);
		return;
	}
	if (sender) {
		sender->refusals = 0;
		sender->rests_until_s = 0;
		if (is_counted(r, m) && run_time_s(r) < r->measure.to_s + 1)
			sender->served++;
	}
	if (retry_is_mail(r->senders.group[m->group].retry))
		r->measure.mail_delivered++;
	if (m->deferred) {
		double age_s = (double)(r->now_us - m->first_us) / 1e6;
		struct measure_second *second = measure_at(&r->measure, r->now_us);

		measure_age(&r->measure, age_s);
		second->age_s = (float)fmax(second->age_s, age_s);
	}
	senders_forget(&r->senders, id);
}
