/* The life of a message: its attempts, what its sender does after a refusal, and its delivery or
 * bounce. */
#include "penstock-sim/traffic.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/splitmix.h"
#include "penstock-sim/grow.h"

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

/* Plans the sender's next try, or gives up. */
static void put_off(struct run *r, uint32_t id)
{
	struct message *m = &r->senders.message[id];
	double age_s = (double)(r->now_us - m->first_us) / 1e6, next_s;

	m->deferred = 1;
	if (m->tries < UINT8_MAX)
		m->tries++;
	if (m->tries == 3 && retry_is_mail(r->senders.group[m->group].retry))
		r->measure.past_third++;
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

void traffic_open(struct host *h, uint32_t id, uint64_t held_us)
{
	struct run *r = h->run;

	h->plant.now_us = r->now_us;
	plant_open(&h->plant, id, id == PLANT_NO_MESSAGE ? 1 : r->senders.message[id].size,
		   held_us);
	if (h->plant.in_flight > r->measure.in_flight_max)
		r->measure.in_flight_max = h->plant.in_flight;
}

struct held {
	struct room_node node;
	uint32_t address; /* 0: it belongs to no sender */
	uint32_t id;
	/* it waits for a place owed to its source; no other connection of the source is owed one */
	bool owed;
};

static struct held *held_of(struct room_node *node)
{
	return (struct held *)((char *)node - offsetof(struct held, node));
}

static void foretell(struct run *r, uint32_t id)
{
	struct clairvoyant_tick *future = measure_future(&r->measure, r->now_us - RUN_BEGIN_US);

	if (!future)
		return;
	future->arrived++;
	future->size += id == PLANT_NO_MESSAGE ? 1 : r->senders.message[id].size;
}

static struct law_request request_of(struct host *h, uint32_t id)
{
	struct run *r = h->run;
	struct law_request request = { .now_us = r->now_us, .under_way = h->under_way };

	if (id != PLANT_NO_MESSAGE) {
		request.address = senders_address(&r->senders, id);
		r->senders.message[id].address = request.address;
		request.ranked = true;
	}
	return request;
}

/* Carries out a verdict. False: it was a refusal. */
static bool carry_out(struct host *h, uint32_t id, const struct law_request *request,
		      struct verdict v, uint64_t held_us)
{
	struct run *r = h->run;

	law_settle(&h->law, request, v);
	if (!v.admit) {
		measure_at(&r->measure, r->now_us)->refused++;
		plant_told(&h->plant, held_us);
		return false;
	}
	if (r->scenario.verdict_delay_s > 0) {
		h->under_way++;
		queue_put(&r->queue, r->now_us + (uint64_t)(r->scenario.verdict_delay_s * 1e6),
			  RUN_OPEN | h->plant.tag, id);
	} else {
		traffic_open(h, id, held_us);
	}
	return true;
}

static void turned_away(struct run *r, uint32_t id);

/* Ends a wait with this verdict. */
static void release(struct host *h, struct room_node *node, struct verdict v)
{
	struct run *r = h->run;
	struct held *held = held_of(node);
	uint64_t held_us = r->now_us - node->since_us;
	struct law_request request = request_of(h, held->id);
	uint32_t id = held->id;

	request.owed = held->owed;
	if (node->size)
		room_leave(&h->room, node);
	if ((double)held_us / 1e6 > h->held_worst_s)
		h->held_worst_s = (double)held_us / 1e6;
	counts_release(&h->plant.counts, v.admit ? HELD_ADMITTED : HELD_IN_VAIN, held_us, v);
	if (!v.admit && request.ranked) {
		law_owe(&h->law, request.address, r->now_us);
		law_tell(&h->law, request.address, SOURCE_LATE, 0);
	}
	if (held->address)
		law_held(&h->law, held->address, -1);
	free(held);
	if (!carry_out(h, id, &request, v, held_us) && id != PLANT_NO_MESSAGE)
		turned_away(r, id);
}

/* Lets a connection wait for a place, if it may. Returns whether it waits. */
static bool hold(struct host *h, uint32_t id, struct law_request *request, struct verdict v)
{
	struct run *r = h->run;
	struct room_node *out = NULL;
	struct room_offer offer;
	enum room_answer answer;
	struct held *held;

	if (r->scenario.gate || !law_may_wait(&h->law, request, v, &offer))
		return false;
	held = grow_zeroed(1, sizeof(*held));
	held->id = id;
	answer = room_enter(&h->room, &offer, &held->node, &out);
	if (answer == ROOM_INSTEAD)
		release(h, out, v);
	if (answer == ROOM_OVERTAKEN && request->ranked) {
		law_owe_told(&h->law, request->address, r->now_us);
		law_tell(&h->law, request->address, SOURCE_LATE, 0);
	}
	if (answer != ROOM_WAIT && answer != ROOM_INSTEAD) {
		free(held);
		return false;
	}
	counts_hold(&h->plant.counts);
	held->owed = offer.order == ROOM_OWED;
	if (held->owed)
		law_unowe(&h->law, request->address, r->now_us);
	if (request->ranked)
		law_held(&h->law, held->address = request->address, 1);
	return true;
}

/* One connection. False: it was refused. */
static bool connect_once(struct host *h, uint32_t id)
{
	struct law_request request;
	struct verdict v;

	if (room_first(&h->room))
		traffic_let_in(h); /* a place that has just come free belongs to those that wait */
	request = request_of(h, id);
	v = law_decide(&h->law, &h->plant, &request);
	measure_at(&h->run->measure, h->run->now_us)->offered++;
	if (!run_is_fleet(h->run))
		foretell(h->run, id);
	if (hold(h, id, &request, v))
		return true;
	counts_verdict(&h->plant.counts, v);
	return carry_out(h, id, &request, v, 0);
}

/* ---- a fleet's hosts, one after the other ---------------------------------------------------- */

/* A random host that this attempt has not tried; NULL: it has tried as many as its sender tries. */
static struct host *next_host(struct run *r, struct message *m)
{
	unsigned most = (unsigned)r->senders.group[m->group].mx, left = r->hosts - m->walks, n, at;

	if (left == 0 || m->walks >= most)
		return NULL;
	n = (unsigned)(splitmix_unit(&r->senders.random) * left);
	for (at = 0; at < m->walks && m->walked[at] <= n; at++)
		n++; /* the n-th of those that are left */
	memmove(&m->walked[at + 1], &m->walked[at], (m->walks - at) * sizeof(m->walked[0]));
	m->walked[at] = (uint16_t)n;
	m->walks++;
	return &r->host[n];
}

/* Goes on with an attempt: tries the next hosts. */
static void walk(struct run *r, uint32_t id)
{
	struct host *h;
	uint64_t tick;

	while ((h = next_host(r, &r->senders.message[id])))
		if (h->down <= 0 && connect_once(h, id))
			return;
	tick = (r->now_us - RUN_BEGIN_US) / RUN_TICK_US;
	if (tick < r->measure.futures)
		r->measure.refused[tick]++;
	refused(r, id);
}

/* Handles a message that a host refused late or after a wait: in a fleet it tries the next host. */
static void turned_away(struct run *r, uint32_t id)
{
	if (run_is_fleet(r))
		walk(r, id);
	else
		refused(r, id);
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
	if (run_is_fleet(r)) {
		r->measure.walks++;
		m->walks = 0;
		foretell(r, id);
		walk(r, id);
		return;
	}
	for (unsigned i = 0; i < hosts; i++)
		if (connect_once(&r->host[0], id))
			return;
	refused(r, id);
}

void traffic_let_in(struct host *h)
{
	struct room_node *node;
	struct room_terms terms;

	while ((node = room_first(&h->room))) {
		struct law_request request = request_of(h, held_of(node)->id);
		struct verdict v;

		request.held = true;
		v = law_decide(&h->law, &h->plant, &request);
		if (plan_may_wait(v))
			break;
		release(h, node, v);
	}
	terms = law_terms(&h->law);
	while ((node = room_in_vain(&h->room, &terms, h->run->now_us)))
		release(h, node, law_in_vain(&h->law));
	h->plant.counts.oldest_held_since_us = room_oldest_us(&h->room);
}

void traffic_forget_held(struct host *h)
{
	struct room_node *node;

	while ((node = room_first(&h->room))) {
		room_leave(&h->room, node);
		free(held_of(node));
	}
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
		connect_once(&r->host[0], PLANT_NO_MESSAGE);
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
	struct host *h = who;
	struct run *r = h->run;
	struct message *m = &r->senders.message[id];
	struct sender *sender = senders_of(&r->senders, id);

	if (end == END_LATE) {
		law_tell(&h->law, m->address, SOURCE_LATE, 0);
		law_owe(&h->law, m->address, r->now_us);
		turned_away(r, id);
		return;
	}
	if (end != END_DROPPED)
		law_tell(&h->law, m->address, SOURCE_FINISHED, (uint32_t)(server_s * 1e6));
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
	if (retry_is_mail(r->senders.group[m->group].retry)) {
		r->measure.mail_delivered++;
		r->measure.by_third += m->tries < 3;
	}
	if (m->deferred) {
		double age_s = (double)(r->now_us - m->first_us) / 1e6;
		struct measure_second *second = measure_at(&r->measure, r->now_us);

		measure_age(&r->measure, age_s);
		second->age_s = (float)fmax(second->age_s, age_s);
	}
	senders_forget(&r->senders, id);
}
