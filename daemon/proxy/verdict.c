/* The verdict on a connection, and what follows from it. */
#include "base/address.h"
#include "base/clock.h"
#include "proxy/session_parts.h"

/* Adds to the request what is known of the source. */
static void rank(struct session *s, const struct plan *plan, struct plan_request *request)
{
	struct tally *t = s->tally;
	const struct in6_addr *address = &s->addresses.source;
	struct plan_source source;

	request->trusted = config_trusted(&t->config, address);
	request->refused = config_refused(&t->config, address);
	request->score = PLAN_UNLIMITED;
	if (s->phase == PHASE_HELD) { /* the order in the room already took its rank into account */
		request->band = s->promised ? PLAN_BAND_PROMISED : PLAN_BAND_GENERAL;
		return;
	}
	request->sessions = peers_count(&t->peers, address->s6_addr);
	if (sourceview_lookup(&t->sources, address->s6_addr, request->now_us, &source))
		plan_rank(plan, &source, request);
	if (!room_owes(&t->debts, session_group(s), request->now_us))
		return;
	/* Its source waited in vain, or was refused late, so it gets the next place, unless a limit
	 * of the operator forbids it. */
	request->score = PLAN_UNLIMITED;
	request->band = PLAN_BAND_PROMISED;
	if (request->heavy == PLAN_HEAVY_SHARE)
		request->heavy = PLAN_HEAVY_NO;
}

/* Connections from this host pass: a health check that looks for 220 must not restart the server
 * in an overload or a drain. The gate does the same. */
bool verdict_is_own(const struct session *s)
{
	return !s->tally->config.proxy.loopback && address_is_loopback(&s->addresses.source);
}

static struct verdict ask(struct session *s, struct plan_request *ret_request)
{
	struct tally *t = s->tally;
	struct counts_service *c = tally_counts(t);
	const struct plan *plan = planview_get(&t->plan, s->moved_us);
	struct siblings_load others = siblings_load(&t->siblings);
	bool observe = plan->mode == PLAN_OBSERVE;

	*ret_request = (struct plan_request){
		.now_us = s->moved_us,
		.service = PLANVIEW_OWN,
		.in_flight = (uint32_t)(observe ? c->shadow_in_flight + others.shadow_in_flight
						: c->in_flight + others.in_flight),
		.ungreeted = (uint32_t)(c->ungreeted + others.ungreeted),
		.tokens_milli =
			plan_bucket_refill(&t->bucket, &plan->service[PLANVIEW_OWN], s->moved_us),
	};
	rank(s, plan, ret_request);
	return verdict_is_own(s) ? plan_admit(REASON_TRUSTED) : plan_decide(plan, ret_request);
}

/* Admits or refuses the session, which is counted already. */
static enum next carry_out(struct session *s, struct verdict v)
{
	struct tally *t = s->tally;
	uint64_t group = session_group(s);

	s->decided = true;
	flight_tell_verdict(s, v);
	if (v.admit) {
		s->promised |= room_owes(&t->debts, group, s->moved_us);
		if (!s->owed) /* else this session has settled the debt */
			room_settle(&t->debts, group, s->moved_us);
		if (!v.would_defer)
			plan_bucket_take(&t->bucket);
		flight_enter(s, !v.would_defer);
		return NEXT_CONNECT;
	}
	if (plan_may_wait(v))
		t->full_us = s->moved_us;
	refusals_add(&t->refusals, t->plan.plan.epoch, &s->addresses.source, (enum reason)v.reason,
		     t->plan.plan.order_until_us);
	s->refusal = (enum reason)v.reason;
	return NEXT_REFUSE;
}

/* Whether `more` sessions beside those that are served are too many. Those that wait and those that
 * are refused have bounds of their own. */
static bool are_too_many(struct tally *t, unsigned more, uint64_t now_us)
{
	unsigned served = t->session_count - room_count(&t->room) - t->refused;

	if (served + more <= t->connections_max)
		return false;
	tally_fault(t, FAULT_CONNECTIONS, now_us, NULL);
	return true;
}

enum next verdict_decide(struct session *s, struct session **ret_instead)
{
	struct tally *t = s->tally;
	struct counts_service *c = tally_counts(t);
	uint64_t began_ns = clock_read_ns(CLOCK_MONOTONIC);
	struct plan_request request;
	struct verdict v;

	v = ask(s, &request);
	s->promised = request.band == PLAN_BAND_PROMISED;
	if (!(plan_may_wait(v) && held_enter(s, &request, ret_instead))) {
		if (v.admit && are_too_many(t, 0, s->moved_us)) {
			v.admit = 0;
			v.reason = REASON_LIMIT;
		}
		c->would_hold += held_would_enter(t, v);
		counts_verdict(c, v);
	}
	began_ns = clock_read_ns(CLOCK_MONOTONIC) - began_ns;
	t->counts.counts->decisions[counts_slot(began_ns)]++;
	t->counts.counts->decision_sum_ns += began_ns;
	return s->phase == PHASE_HELD ? NEXT_STAY : carry_out(s, v);
}

static enum next release(struct session *s, struct verdict v)
{
	held_leave(s, v.admit ? HELD_ADMITTED : HELD_IN_VAIN, v);
	return carry_out(s, v);
}

enum next verdict_in_vain(struct session *s, uint64_t now_us)
{
	struct tally *t = s->tally;

	s->moved_us = now_us;
	return release(s, plan_in_vain(&t->plan.plan.service[PLANVIEW_OWN]));
}

struct session *verdict_on_held(struct tally *t, uint64_t now_us, enum next *ret_next)
{
	struct session *s = held_first(t);
	struct plan_request request;
	struct verdict v;
	bool full;

	if (!s)
		return NULL;
	s->moved_us = now_us;
	v = ask(s, &request);
	full = v.admit && are_too_many(t, 1, now_us);
	if (!plan_may_wait(v) && !full) {
		*ret_next = release(s, v);
		return s;
	}
	s = held_too_long(t, now_us);
	if (!s)
		return NULL;
	s->moved_us = now_us;
	v = plan_in_vain(&t->plan.plan.service[PLANVIEW_OWN]);
	if (full) /* the plan has a place for it, and gives no reason */
		v.reason = REASON_LIMIT;
	*ret_next = release(s, v);
	return s;
}
