/* Connections that wait for a place in front of the mail server; core/room.h holds their order.
 * Each costs a descriptor and about a kilobyte. Nothing is sent to the client, and what the client
 * sends stays in its socket. The wait ends when a place is free, when its time is up, when an
 * operator drains, or when the client leaves. If there is no current plan, all are admitted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "proxy/session.h"
#include "proxy/session_parts.h"

#define HELD_MAX 10000u
#define MEMORY_SHARE 64 /* of the machine's memory: one part in so many */
#define BYTES_EACH 5120u /* of which one KiB is here, and the rest is the kernel's socket */

static struct session *session_of(struct room_node *node)
{
	return node ? (struct session *)((char *)node - offsetof(struct session, held)) : NULL;
}

unsigned held_max(uint64_t memory, unsigned connections_max)
{
	uint64_t most = memory / MEMORY_SHARE / BYTES_EACH;

	most = most < HELD_MAX ? most : HELD_MAX;
	return most < connections_max ? (unsigned)most : connections_max;
}

/* Notices that the client has closed, without reading. Edge-triggered, since bytes that wait in the
 * socket would wake us again and again. */
static void watch_edge(struct session *s, bool edge)
{
	short what = (short)(EV_READ | EV_PERSIST | (edge ? EV_ET : 0));

	event_del(s->client_read);
	event_assign(s->client_read, s->tally->base, s->client_fd, what,
		     event_get_callback(s->client_read), s);
	if (edge)
		event_add(s->client_read, NULL);
}

/* Whether the client is gone. A client that sent something before it closed looks like one that
 * closed only its own direction: it stays. */
static bool is_gone(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	int error = 0;
	socklen_t size = sizeof(error);

	if (n <= 0)
		return n == 0 || (errno != EAGAIN && errno != EINTR);
	/* After a reset, what came before it can still be read. */
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error;
}

enum next held_watch(struct session *s)
{
	if (!is_gone(s->client_fd))
		return NEXT_STAY;
	s->moved_us = clock_monotonic_us();
	return NEXT_BREAK;
}

void held_leave(struct session *s, enum counts_held end, struct verdict verdict)
{
	struct tally *t = s->tally;
	uint64_t held_us = s->moved_us > s->held.since_us ? s->moved_us - s->held.since_us : 0;
	bool in_vain = end == HELD_IN_VAIN && verdict.limit != LIMIT_ORDER &&
		       verdict.limit != LIMIT_REFUSED;

	if (s->held.size) /* else it has left the room already */
		room_leave(&t->room, &s->held);
	if (in_vain || (s->owed && end != HELD_ADMITTED)) /* here, and by the ledger */
		room_owe(&t->debts, session_group(s), s->moved_us);
	if (in_vain)
		flight_tell_late(s);
	peers_remove(&t->held_peers, s->addresses.source.s6_addr);
	counts_release(tally_counts(t), end, held_us, verdict);
	s->opened_us = s->moved_us; /* the time before is not the server's */
	watch_edge(s, false);
}

/* Keeps only what came after a PROXY header. */
static void shrink(struct flow *up)
{
	if (up->length && up->offset) {
		memmove(up->pending, up->pending + up->offset, up->length);
		up->offset = 0;
	}
	if (up->length) {
		char *smaller = realloc(up->pending, up->length);

		if (smaller)
			up->pending = smaller;
		return;
	}
	free(up->pending);
	memset(up, 0, sizeof(*up));
}

static struct room_terms terms_of(const struct tally *t)
{
	const struct plan_service *service = &t->plan.plan.service[PLANVIEW_OWN];

	return (struct room_terms){ .hold_us = service->hold_us,
				    .longest_us = (uint32_t)t->config.wait_us,
				    .pass_milli = service->pass_milli,
				    .most = t->held_max };
}

static struct room_offer offer_of(struct session *s, const struct plan_request *request)
{
	struct tally *t = s->tally;
	uint32_t held = peers_count(&t->held_peers, s->addresses.source.s6_addr);
	uint32_t sessions = request->sessions + held;
	bool owed = room_owes(&t->debts, session_group(s), s->moved_us);

	return (struct room_offer){
		.now_us = s->moved_us,
		.order = owed ? ROOM_OWED : room_order((uint16_t)(request->score >> 16), sessions),
		.terms = terms_of(t),
	};
}

bool held_enter(struct session *s, const struct plan_request *request, struct session **ret_instead)
{
	struct tally *t = s->tally;
	struct room_offer offer = offer_of(s, request);
	struct room_node *out = NULL;
	enum room_answer answer = room_enter(&t->room, &offer, &s->held, &out);

	if (answer == ROOM_OVERTAKEN) {
		room_owe_told(&t->debts, session_group(s), s->moved_us);
		flight_tell_late(s);
	}
	if (answer != ROOM_WAIT && answer != ROOM_INSTEAD)
		return false;
	s->phase = PHASE_HELD;
	/* A source is owed one place, and not one for each of its waiting connections. */
	s->owed = offer.order == ROOM_OWED;
	if (s->owed)
		room_settle(&t->debts, session_group(s), s->moved_us);
	s->deadline_us = 0; /* that was the header's */
	shrink(&s->up);
	peers_add(&t->held_peers, s->addresses.source.s6_addr);
	counts_hold(tally_counts(t));
	watch_edge(s, true);
	*ret_instead = session_of(out);
	return true;
}

bool held_would_enter(const struct tally *t, struct verdict verdict)
{
	struct verdict enforced = verdict;

	if (!verdict.would_defer)
		return false;
	enforced.admit = 0;
	return plan_may_wait(enforced) && t->plan.plan.service[PLANVIEW_OWN].hold_us > 0 &&
	       t->config.wait_us > 0;
}

struct session *held_first(const struct tally *t)
{
	return session_of(room_first(&t->room));
}

struct session *held_too_long(const struct tally *t, uint64_t now_us)
{
	const struct room_terms terms = terms_of(t);

	return session_of(room_in_vain(&t->room, &terms, now_us));
}
