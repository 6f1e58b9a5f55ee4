/* How long a session may take in each phase, and what happens when it takes longer. */
#include <poll.h>

#include "base/clock.h"
#include "core/law.h"
#include "proxy/session_parts.h"

#define ANSWER_US \
	(15 * 60 * US_PER_S) /* for any answer of the server, above all that to a final dot */
#define HANGS_US ((uint64_t)(US_IN_S * UNGREETED_S)) /* for a greeting */
#define SILENT_US (120 * US_PER_S) /* the same for a few clients: twice the longest tarpit */
/* for which a client waits for a greeting (RFC 5321 4.5.3.2.1) */
#define GREETING_US (5 * 60 * US_PER_S)
#define LOOK_US US_PER_S /* between two looks at a client whose connect takes long */
/* keepalive is switched on after so long without an octet; its first probe is due later */
#define QUIET_US US_PER_S
/* for so long after a refusal for lack of places, places count as short */
#define REFUSES_US (2 * US_PER_S)
/* this process looks at the clock every 100 ms: after so long it was stopped, or its machine */
#define STOPPED_US US_PER_S

/* How long ago that was. 0: it was after the tick took its clock, as a session that the tick itself
 * lets in has moved since. */
static uint64_t since(uint64_t then_us, uint64_t now_us)
{
	return now_us > then_us ? now_us - then_us : 0;
}

static uint64_t later(uint64_t one_us, uint64_t other_us)
{
	return one_us > other_us ? one_us : other_us;
}

/* How much of the wait since `then_us` counts against a client: only that after this process had
 * stopped, if it was put off for that, and since a plan limits who is let in. Those who were let in
 * without one are too many for any server to greet in time. */
static uint64_t counts_since(const struct session *s, uint64_t then_us, uint64_t now_us)
{
	return since(later(then_us, later(s->tally->limited_since_us, s->put_off_at_us)), now_us);
}

/* Whether the plan of the moment lets a client be refused for load. */
static bool plan_limits(const struct plan *plan, uint64_t now_us)
{
	return plan_is_fresh(plan, now_us) && plan->mode != PLAN_OBSERVE && plan->services &&
	       plan->order != PLAN_BLIND;
}

/* For `us` this process did not run: whatever the client should have done by then, or the server,
 * or the process itself, may take so much longer. */
static void put_off(struct session *s, uint64_t us, uint64_t now_us)
{
	s->put_off_us += us;
	s->put_off_at_us = now_us;
	s->moved_us = since(us, now_us) < s->moved_us ? now_us : s->moved_us + us;
	s->deadline_us += s->deadline_us ? us : 0;
	if (s->held.size)
		room_postpone(&s->held, us);
}

/* A process that stops again and again would put a client off for ever. So one that was put off for
 * longer than objective.wait is told when its time is up, whether the process stops or not. */
static void put_all_off(const struct tally *t, uint64_t us, uint64_t now_us)
{
	for (struct session *s = t->sessions; s; s = s->next)
		if (s->put_off_us <= t->config.wait_us)
			put_off(s, us, now_us);
}

void timeouts_look(struct tally *t, uint64_t now_us)
{
	uint64_t passed_us = t->looked_us ? since(t->looked_us, now_us) : 0;

	t->looked_us = now_us;
	if (passed_us > STOPPED_US)
		put_all_off(t, passed_us, now_us);
	if (!plan_limits(&t->plan.plan, now_us))
		t->limited_since_us = now_us;
}

/* Whether it must get in, whatever the load. */
static bool is_spared(const struct session *s)
{
	return s->promised || verdict_is_own(s) ||
	       config_trusted(&s->tally->config, &s->addresses.source);
}

/* Whether the client has waited for its greeting for so long, and the server has said nothing to
 * any client meanwhile. */
static bool hears_nothing_for(const struct session *s, uint64_t long_us, uint64_t now_us)
{
	return counts_since(s, s->track.began_us, now_us) >= long_us &&
	       counts_since(s, s->tally->heard_us, now_us) >= long_us;
}

/* Whether the server seems to hang, as seen by a client that no later one has overtaken: it has
 * waited for long, and many others wait, too. A few clients may all wait for a name server of their
 * own, on a machine that is idle: they wait until the server has been silent for longer than that
 * takes. But the last few of many who waited are told as the others were, if none was greeted
 * since. */
static bool seems_to_hang(const struct session *s, uint64_t now_us)
{
	const struct tally *t = s->tally;

	if (hears_nothing_for(s, SILENT_US, now_us))
		return true;
	return counts_since(s, s->track.began_us, now_us) >= HANGS_US &&
	       (t->greetings.waiting >= (uint32_t)OVERTAKEN_MIN ||
		t->hangs_at == t->greetings.given + 1);
}

/* Whether a client may be refused late: only in an overload, or if the server hangs. In an overload
 * places must be short, so that a client whose name takes the server long to look up is not
 * refused; it must be known what a greeting usually takes, which a proxy that has just begun has to
 * see first; and a client that others have overtaken would wait as long the next time. No source is
 * refused late twice, and none that was promised an admission. */
static bool may_refuse_late(struct session *s, uint64_t now_us)
{
	struct tally *t = s->tally;
	uint64_t told_us = room_owed_since_us(&t->told_late, session_group(s), now_us);
	bool short_of_places =
		room_first(&t->room) || (t->full_us && since(t->full_us, now_us) < REFUSES_US);
	bool overload = short_of_places && greeting_times_tell(&t->greeting_times);

	return !s->overtaken && (overload || seems_to_hang(s, now_us)) &&
	       (!told_us || s->track.began_us < told_us) && !is_spared(s);
}

/* Whether the greeting is overdue, so that the client may be refused: it has waited for as long as
 * the plan says, and so much longer as some clients of this server usually wait. It may not be
 * refused once some of its bytes have gone to the server. */
static bool is_late(struct session *s, uint64_t now_us)
{
	struct tally *t = s->tally;
	const struct plan *plan = &t->plan.plan;
	uint64_t planned_us = plan->service[PLANVIEW_OWN].greeting_timeout_us;
	uint64_t waited_us = counts_since(s, s->track.began_us, now_us);

	if (!s->ungreeted || s->relayed_early || !planned_us || waited_us < planned_us)
		return false;
	return plan_limits(plan, now_us) &&
	       waited_us >= planned_us + greeting_times_longer_us(&t->greeting_times) &&
	       may_refuse_late(s, now_us);
}

static enum next refuse_late(struct session *s, uint64_t now_us)
{
	struct tally *t = s->tally;
	uint64_t group = session_group(s);
	struct counts_service *c = tally_counts(t);

	c->deferred++;
	c->deferred_by[REASON_LATE]++;
	if (t->greetings.waiting >= (uint32_t)OVERTAKEN_MIN)
		t->hangs_at = t->greetings.given + 1;
	flight_tell_late(s);
	room_owe(&t->debts, group, now_us);
	if (!room_owes(&t->told_late, group, now_us))
		room_owe(&t->told_late, group, now_us);
	s->moved_us = now_us;
	refusals_add(&t->refusals, t->plan.plan.epoch, &s->addresses.source, REASON_LATE, 0);
	s->refusal = REASON_LATE;
	return NEXT_REFUSE;
}

/* RFC 5321 4.5.3.2.6: a client waits 10 minutes for the answer to its final dot. If it gets none,
 * it sends the message again, although the server has stored it. So while the server owes an
 * answer, only the client may give up, not the proxy. */
static uint64_t idle_bound(const struct session *s)
{
	uint64_t idle_us = s->tally->config.proxy.idle_us;
	bool owes = s->in_flight && s->track.greeted && (s->track.busy || s->track.stuck);

	return owes && idle_us < ANSWER_US ? ANSWER_US : idle_us;
}

static enum next cut_idle(struct session *s, uint64_t now_us)
{
	struct tally *t = s->tally;

	if (s->in_flight && s->track.greeted && (s->track.busy || s->track.stuck))
		tally_fault(t, FAULT_IDLE, now_us, t->config.proxy.backend.text);
	return NEXT_BREAK;
}

/* Whether what the session waits for has come, and the loop has not taken it up yet. On a busy
 * machine the proxy itself is late: then neither the server nor the client is to blame. */
static bool has_come(int fd, short what)
{
	struct pollfd p = { .fd = fd, .events = what };

	return poll(&p, 1, 0) == 1;
}

/* The server has not answered the connect in time: its accept queue is full, or its host is away.
 * Where load may refuse the client, it is refused. Else (observe mode, no current plan for as long
 * as this, a spared client) the proxy must not cost any mail: the client waits for as long as it
 * would wait for the server alone, unless the kernel says before that it cannot connect. */
static enum next connect_late(struct session *s, uint64_t now_us)
{
	const struct tally *t = s->tally;
	bool waits = !plan_limits(&t->plan.plan, now_us) || is_spared(s) ||
		     counts_since(s, s->track.began_us, now_us) < t->config.proxy.connect_us;

	if (has_come(s->backend_fd, POLLOUT))
		return NEXT_STAY;
	if (waits && since(s->track.began_us, now_us) < GREETING_US) {
		s->deadline_us = now_us + LOOK_US;
		return held_watch(s);
	}
	s->moved_us = now_us;
	return NEXT_UNANSWERED;
}

enum next timeouts_check(struct session *s, uint64_t now_us)
{
	bool over = s->deadline_us && now_us >= s->deadline_us;

	if (s->in_flight)
		flight_tick(s, now_us);
	if (s->phase == PHASE_RELAY && is_late(s, now_us) && !has_come(s->backend_fd, POLLIN))
		return refuse_late(s, now_us);
	if (s->phase == PHASE_RELAY && !s->probes && since(s->moved_us, now_us) >= QUIET_US)
		relay_probe(s);
	if (s->phase == PHASE_CONNECT)
		return over ? connect_late(s, now_us) : NEXT_STAY;
	if (over && s->phase == PHASE_REFUSE) {
		s->moved_us = now_us;
		refuse_give_up(s);
		return NEXT_STAY;
	}
	if (over && s->phase == PHASE_HEADER) {
		if (has_come(s->client_fd, POLLIN))
			return NEXT_STAY;
		header_fault(s, FAULT_HEADER_MISSING);
	}
	if (over)
		return NEXT_BREAK;
	if (s->phase != PHASE_HELD && since(s->moved_us, now_us) >= idle_bound(s))
		return cut_idle(s, now_us);
	return NEXT_STAY;
}
