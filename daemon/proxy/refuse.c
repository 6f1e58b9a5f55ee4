/* The dialogue with a refused client, as a phase of its session. refuse/dialogue_io.c has what is
 * said. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/clock.h"
#include "core/told.h"
#include "proxy/session_parts.h"

#define LINGER_SHORT_US (500 * US_PER_MS) /* if too many clients are in dialogue */

/* Goes on as the dialogue says. If it is over, the next tick ends the session. */
static void take(struct session *s, enum dialogue_next next)
{
	if (next == DIALOGUE_LISTEN)
		return;
	s->phase = PHASE_CLOSING;
	s->deadline_us = s->moved_us + (next == DIALOGUE_DRAIN ? DIALOGUE_DRAIN_US : 0);
}

/* Marks the connection for a gate beside the proxy, which resets the client if it comes again in
 * this epoch after it has received its reply. A client that is owed the next place gets no mark. */
static void mark(const struct session *s)
{
	unsigned timeout_ms = TOLD_USER_TIMEOUT_MS;

	if (!room_owes(&s->tally->debts, session_group(s), s->moved_us))
		setsockopt(s->client_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms,
			   sizeof(timeout_ms));
}

/* From now on the client is heard. In turns, that begins with the next turn: most near clients have
 * said QUIT by then, and need not be watched at all. */
static void listen_to(struct session *s)
{
	struct tally *t = s->tally;

	if (!t->takes_turns) {
		event_add(s->client_read, NULL);
		return;
	}
	s->unheard = true;
	s->next_unheard = t->unheard;
	t->unheard = s;
}

struct session *refuse_next(struct tally *t)
{
	struct session *s = t->unheard;

	if (!s)
		return NULL;
	t->unheard = s->next_unheard;
	s->unheard = false;
	return s;
}

void refuse_forget(struct session *s)
{
	struct session **at = &s->tally->unheard;

	if (!s->unheard)
		return;
	while (*at != s)
		at = &(*at)->next_unheard;
	*at = s->next_unheard;
}

enum next refuse_begin(struct session *s)
{
	struct tally *t = s->tally;
	const struct config_service *service = &t->config.service[t->service];
	const struct plan *plan = &t->plan.plan;
	unsigned code =
		plan->services ? plan->service[PLANVIEW_OWN].reply_code : service->reply_code;
	enum dialogue_next next;
	size_t early;

	early = s->phase == PHASE_RELAY ? 0 : s->up.length;
	s->phase = PHASE_REFUSE;
	t->refused++;
	if (service->implicit_tls) /* TLS from the first byte: no reply is possible */
		return NEXT_BREAK;
	s->deadline_us = s->moved_us + t->config.proxy.linger_us;
	if (t->lingering >= t->linger_max || t->draining) {
		code = 421;
		s->deadline_us = s->moved_us + LINGER_SHORT_US;
	} else {
		s->lingers = true;
		t->lingering++;
		tally_counts(t)->refused_lingering++;
	}
	s->down.offset = s->down.length = 0;
	listen_to(s);
	mark(s);
	tally_counts(t)->refused_told++;
	next = dialogue_io_begin(&s->dialogue, s->client_fd, code, &service->reply, s->refusal,
				 plan->order_until_us);
	/* What came in one segment with the PROXY header. */
	if (next == DIALOGUE_LISTEN && early)
		next = dialogue_io_heard(&s->dialogue, s->client_fd, s->up.pending + s->up.offset,
					 early);
	take(s, next);
	return !s->lingers && t->refused - t->lingering > t->closing_max ? NEXT_BREAK : NEXT_STAY;
}

enum next refuse_hear(struct session *s)
{
	enum dialogue_next next = dialogue_io_hear(&s->dialogue, s->client_fd, s->tally->scratch);

	if (next == DIALOGUE_OVER)
		return NEXT_END;
	if (s->phase != PHASE_CLOSING)
		take(s, next);
	return NEXT_STAY;
}

void refuse_give_up(struct session *s)
{
	take(s, dialogue_io_give_up(&s->dialogue, s->client_fd));
}
