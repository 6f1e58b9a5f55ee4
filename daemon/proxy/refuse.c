/* The dialogue with a refused client: what is written, and how it ends. The machine is core/dialogue.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "proxy/session_parts.h"

#define DRAIN_US (2 * US_PER_S) /* after the last word to a refused client */
#define LINGER_SHORT_US (500 * US_PER_MS) /* past the bound of lingerers */

void session_say_last_word(struct session *s)
{
	shutdown(s->client_fd, SHUT_WR);
	s->phase = PHASE_CLOSING;
	s->deadline_us = s->moved_us + DRAIN_US;
}

/* Sends to a refused client; what its socket does not take waits in `down`. */
static void tell(struct session *s, const char *bytes, size_t length)
{
	ssize_t n = s->down.length ? 0 : send(s->client_fd, bytes, length, MSG_NOSIGNAL);

	if (n < 0)
		n = 0;
	if ((size_t)n < length && s->down.length + length < DIALOGUE_OUT) {
		char *grown = realloc(s->down.pending, s->down.length + length);

		if (grown) {
			memcpy(grown + s->down.length, bytes + n, length - (size_t)n);
			s->down.pending = grown;
			s->down.length += length - (size_t)n;
			event_add(s->client_write, NULL);
		}
	}
	if (s->dialogue.done && !s->down.length)
		session_say_last_word(s);
}

void session_refuse(struct session *s, enum reason reason)
{
	struct proxy *p = s->proxy;
	const struct config_service *service = &p->config.service[p->service];
	const struct plan *plan = &p->plan.plan;
	unsigned code = plan->services > p->service ? plan->service[p->service].reply_code
						    : service->reply_code;
	char greeting[REPLY_MAX + 1];
	size_t length;

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
	length = dialogue_begin(&s->dialogue, code, service->hostname, reason, plan->order_until_us,
				greeting, sizeof(greeting));
	proxy_counts(p)->refused_told++;
	tell(s, greeting, length);
}

void session_converse(struct session *s)
{
	char out[DIALOGUE_OUT];
	struct proxy *p = s->proxy;
	ssize_t n = recv(s->client_fd, p->scratch, sizeof(p->scratch), 0);
	size_t length;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		session_end(s, true);
		return;
	}
	if (n < 0 || s->phase == PHASE_CLOSING)
		return; /* drained, so that close() does not reset what we said */
	length = dialogue_feed(&s->dialogue, p->scratch, (size_t)n, out, sizeof(out));
	if (length || s->dialogue.done)
		tell(s, out, length);
}
