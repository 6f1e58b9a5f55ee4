/* The dialogue with a refused client, as a phase of its session. What is said and how is refuse/talk.c. */
#include "base/clock.h"
#include "proxy/session_parts.h"

#define LINGER_SHORT_US (500 * US_PER_MS) /* past the bound of lingerers */

/* Over: the session is left to the next tick, for callers that still hold it. */
static void go_on(struct session *s, enum talk_next next)
{
	if (next == TALK_LISTEN)
		return;
	s->phase = PHASE_CLOSING;
	s->deadline_us = s->moved_us + (next == TALK_DRAIN ? TALK_DRAIN_US : 0);
}

void session_refuse(struct session *s, enum reason reason)
{
	struct proxy *p = s->proxy;
	const struct config_service *service = &p->config.service[p->service];
	const struct plan *plan = &p->plan.plan;
	unsigned code = plan->services > p->service ? plan->service[p->service].reply_code
						    : service->reply_code;

	session_close_backend(s, false);
	if (service->tls == TLS_IMPLICIT) { /* nothing can be said in the clear */
		session_end(s, false);
		return;
	}
	s->phase = PHASE_REFUSE;
	s->deadline_us = s->moved_us + p->config.proxy.linger_us;
	if (p->lingering >= p->config.proxy.linger_max || p->draining) {
		code = 421;
		s->deadline_us = s->moved_us + LINGER_SHORT_US;
	} else {
		s->lingers = true;
		p->lingering++;
		proxy_counts(p)->refused_lingering++;
	}
	s->down.offset = s->down.length = 0;
	event_add(s->client_read, NULL);
	proxy_counts(p)->refused_told++;
	go_on(s, talk_begin(&s->dialogue, s->client_fd, code, service->hostname, reason,
			    plan->order_until_us));
}

void session_converse(struct session *s)
{
	enum talk_next next = talk_hear(&s->dialogue, s->client_fd, s->proxy->scratch);

	if (next == TALK_OVER)
		session_end(s, true);
	else if (s->phase != PHASE_CLOSING)
		go_on(s, next);
}

void session_give_up(struct session *s)
{
	go_on(s, talk_give_up(&s->dialogue, s->client_fd));
}
