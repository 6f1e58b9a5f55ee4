#include "publish/explain_verdict.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "core/reply.h"
#include "core/room.h"
#include "publish/words.h"

#define SAID_WAIT_US 50000 /* less would be shown as "0.0 s" */
#define SAID_RATIO 0.005 /* fewer are not worth a line, and would be shown as "0 %" */

/* plan_decide() says "source" when the source takes more than its share, or when there is a place
 * for other sources. With another reason the rank alone puts it last. */
static const char *limit_sentence(struct verdict v)
{
	switch ((enum limit)v.limit) {
	case LIMIT_WINDOW:
		return "as many sessions are in flight as the window allows";
	case LIMIT_UNGREETED:
		return "too many sessions wait for their greeting already";
	case LIMIT_RATE:
		return "the admission rate is used up at this moment";
	case LIMIT_CUTOFF:
		return v.reason == REASON_SOURCE
			       ? "places are short, and its rank, rate or number of sessions puts it last"
			       : "its rank puts it last, and no place is left for any source";
	case LIMIT_ORDER:
		return "an operator ordered it";
	case LIMIT_REFUSED:
		return "the source lies in source.refused";
	case LIMIT_HEAVY:
		return "the source sends unusually much, or more than its limit";
	case LIMIT_SESSIONS:
		return "the source has as many sessions open as one may have";
	default:
		return "no limit binds";
	}
}

/* How long it would wait for a place in front of the server. Only the front knows which clients
 * come before it, so this counts all that wait. */
static uint64_t expected_us(const struct status *s, unsigned i)
{
	return room_expected_us((uint32_t)fmax(0, s->load.service[i].held),
				s->plan.service[i].pass_milli);
}

/* Whether a front lets clients wait, and may let this one wait if its turn comes in time. */
static bool has_room(const struct status *s, unsigned i, struct verdict v)
{
	return s->load.service[i].known & LOAD_HELD && plan_may_wait(v);
}

/* Whether it would wait for a place in front of the server. */
static bool explain_wait(const struct status *s, unsigned i, struct verdict v, struct text *out)
{
	const struct load_service *l = &s->load.service[i];
	const struct plan_service *p = &s->plan.service[i];
	uint64_t wait_us = expected_us(s, i);
	bool observing = v.would_defer;
	char lasting[DURATION_PRINTED];

	v.admit = v.admit && !observing;
	if (!has_room(s, i, v) || wait_us >= p->hold_us)
		return false;
	text_append(out, "%s in front of the server, because %s; %.0f wait already, so ",
		    observing ? "admitted, but enforcing would let it wait" : "waits",
		    limit_sentence(v), l->held);
	if (wait_us < SAID_WAIT_US)
		text_append(out, "for the next place that comes free");
	else
		text_append(out, "for about %s",
			    duration_print((double)wait_us / US_PER_S, lasting));
	text_append(out, ". After %s without a place it is answered 4xx\n",
		    duration_print((double)p->hold_us / US_PER_S, lasting));
	return true;
}

/* Why it does not wait, although the front lets clients wait. */
static void explain_no_wait(const struct status *s, unsigned i, struct verdict v, struct text *out)
{
	uint32_t allowed_us = s->plan.service[i].hold_us;
	uint64_t wait_us = expected_us(s, i);

	if (!has_room(s, i, v))
		return;
	if (!allowed_us)
		text_append(out, "; not let wait: no connection may begin to wait now");
	else if (wait_us == ROOM_NEVER)
		text_append(out, "; not let wait: no place comes free");
	else {
		text_append(out, "; not let wait: it would take ");
		words_value(out, UNIT_US, (double)wait_us);
		text_append(out, ", and less than ");
		words_value(out, UNIT_US, allowed_us);
		text_append(out, " is allowed now");
	}
}

static bool deferred_lately(const struct status *s, unsigned i)
{
	const struct lately_service *l = &s->lately[i];

	return s->view.mode == PLAN_ENFORCE &&
	       (s->view.deferred_ratio[i] >= SAID_RATIO ||
		(l->deferred && (double)l->deferred >= SAID_RATIO * (double)l->offered));
}

static bool is_deferring(const struct status *s, unsigned i)
{
	return s->view.window[i].refusing && deferred_lately(s, i);
}

/* The plan admits a connection. A front may refuse it nevertheless, in observe mode, too. */
static void explain_admitted(const struct lately_service *l, struct verdict v, struct text *out)
{
	enum reason own = REASON_NONE;
	uint64_t refused = lately_by_front(l, &own);

	if (!refused) {
		text_append(out, "admitted: %s\n", reason_sentence((enum reason)v.reason));
		return;
	}
	text_append(out,
		    "admitted, unless the front itself refuses it, as it refused %llu in the last "
		    "seconds: %s\n",
		    (unsigned long long)refused, reason_sentence(own));
}

/* Which share is deferred, and for which reasons. The share is the one that status shows, which is
 * over all services. */
static void explain_lately(const struct status *s, unsigned i, struct text *out)
{
	const struct lately_service *l = &s->lately[i];
	const char *between = "; in the last ten seconds: ";

	words_share(out, s->view.deferred_ratio[i]);
	text_append(out, "%s are deferred (a mean over two seconds%s)",
		    s->config.services > 1 ? " of this service" : "",
		    s->config.services > 1 ? "" : ", as in status");
	for (int r = 0; r < REASON__COUNT; r++) {
		if (!l->deferred_by[r] ||
		    (double)l->deferred_by[r] < SAID_RATIO * (double)l->deferred)
			continue;
		text_append(out, "%s%s %.0f %%", between, reason_name((enum reason)r),
			    (double)l->deferred_by[r] * 100 / (double)l->deferred);
		between = ", ";
	}
	text_append(out, "\n");
}

/* Changes the request into one that gets `reason`. */
static void join_class(enum reason reason, struct plan_request *request)
{
	request->refused |= reason == REASON_REFUSED;
	if (reason == REASON_RATE)
		request->heavy = PLAN_HEAVY_LIMIT;
	if (reason == REASON_SESSIONS)
		request->sessions = PLAN_UNLIMITED;
	if (reason == REASON_SOURCE)
		request->heavy = PLAN_HEAVY_SHARE;
}

/* At this instant there may be a place although most connections are deferred. Then the verdict
 * shown is the one that the deferred get: for this source if it is `ranked` and does not come
 * before the others, else for one of them. */
static struct verdict decide(const struct status *s, unsigned i, bool ranked,
			     struct plan_request *request)
{
	const struct plan_service *p = &s->plan.service[i];
	struct verdict now = plan_decide(&s->plan, request), v;
	enum reason most = lately_reason(&s->lately[i]);

	if (!ranked && is_deferring(s, i)) {
		struct plan_request joined = *request;

		join_class(most, &joined);
		v = plan_decide(&s->plan, &joined);
		if (!v.admit && v.reason == most)
			return v;
	}
	if (!now.admit || now.reason != REASON_NONE || !is_deferring(s, i))
		return now;
	if (ranked && p->reserve_256 && !plan_comes_last(p, request))
		return now;
	if (!ranked)
		join_class(most, request);
	/* "source" is said while a place is left for sources that come first. */
	request->tokens_milli = ranked && most == REASON_SOURCE ? PLAN_TOKEN_LEFT_MILLI : 0;
	v = plan_decide(&s->plan, request);
	if (!v.admit)
		return v;
	request->in_flight = request->ungreeted = PLAN_UNLIMITED;
	v = plan_decide(&s->plan, request);
	if (!v.admit || ranked)
		return v;
	/* The front's own reason, which the plan does not know. */
	return (struct verdict){ .reason = (uint8_t)most };
}

void explain_verdict(const struct status *s, unsigned i, bool trusted, bool refused,
		     const struct source_snapshot *snapshot, struct text *out)
{
	const struct load_service *l = &s->load.service[i];
	struct plan_request request = { .now_us = s->now_us,
					.service = i,
					.in_flight = (uint32_t)fmax(0, l->in_flight),
					.ungreeted = (uint32_t)fmax(0, l->ungreeted),
					.tokens_milli = PLAN_UNLIMITED,
					.score = PLAN_UNLIMITED,
					.trusted = trusted,
					.refused = refused };
	struct verdict v;
	char reply[REPLY_MAX + 1];

	if (snapshot)
		plan_rank(&s->plan, &snapshot->view.source, &request);
	v = decide(s, i, snapshot != NULL, &request);
	if (s->config.services > 1) /* this and step 4 are told of each */
		text_append(out, "5. A new connection to %s now: ", s->config.service[i].name);
	else
		text_append(out, "5. A new connection now: ");
	if (deferred_lately(s, i)) {
		explain_lately(s, i, out);
		text_append(out, "   %s: ",
			    snapshot || trusted || refused ? "this one"
			    : is_deferring(s, i)	   ? "one of them"
							   : "one more, now");
	}
	if (v.admit && !v.would_defer) {
		explain_admitted(&s->lately[i], v, out);
		return;
	}
	if (explain_wait(s, i, v, out))
		return;
	text_append(out, "%s",
		    v.would_defer ? "admitted, but enforcing would defer it" : "deferred");
	if (v.limit != LIMIT_NONE)
		text_append(out, ", %s", limit_sentence(v));
	explain_no_wait(s, i, v, out);
	text_append(out, "; reason %s: %s\n", reason_name((enum reason)v.reason),
		    reason_sentence((enum reason)v.reason));
	reply_line(reply, sizeof(reply), s->config.service[i].reply_code,
		   &s->config.service[i].reply, (enum reason)v.reason, s->plan.order_until_us);
	reply[strcspn(reply, "\r\n")] = 0;
	text_append(out, "6. On the wire%s: %s\n",
		    v.would_defer ? ", if the mode were enforce" : "", reply);
}
