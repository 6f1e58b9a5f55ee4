/* What the files of a session share: session.c (its life), header.c (PROXY header), verdict.c,
 * held.c (the wait for a place), relay.c (bytes both ways), refuse.c (the dialogue with a refused
 * client), flight.c (counts and reports), timeouts.c.
 *
 * Each part returns what comes next, and session.c carries it out: only session.c frees a session
 * and has its events, and no part calls session.c. */
#ifndef PENSTOCK_PROXY_SESSION_PARTS_H
#define PENSTOCK_PROXY_SESSION_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/smtp_track.h"
#include "proxy/tally.h"
#include "proxy/proxy_protocol.h"
#include "refuse/dialogue_io.h"

enum phase {
	PHASE_HEADER, /* waits for the PROXY header */
	PHASE_HELD, /* waits for a place; what the client sends meanwhile stays in its socket */
	PHASE_CONNECT, /* connects to the backend; without a backend_fd it waits to try again */
	PHASE_RELAY,
	PHASE_REFUSE, /* in dialogue with a refused client */
	PHASE_CLOSING, /* the last reply is sent; reading until the client closes */
};

enum next {
	NEXT_STAY, /* stay in this phase */
	NEXT_DECIDE, /* its address is known: ask for a verdict */
	NEXT_CONNECT, /* connect to the server, for the first time or again */
	NEXT_REFUSE, /* refuse it with the reason `refusal`, which is counted already */
	NEXT_UNREACHABLE, /* admitted, but the kernel says that it cannot connect: refuse */
	NEXT_UNANSWERED, /* admitted, but the server has not answered the connect: refuse */
	NEXT_SILENT, /* admitted, but the server has closed before it greeted: refuse */
	NEXT_NO_DESCRIPTOR, /* admitted, but no descriptor is left for the server: refuse */
	NEXT_END, /* end it: both sides have closed */
	NEXT_BREAK, /* close it at once */
	NEXT_RESET, /* close it at once, and reset the client */
};

/* One direction of the relay. Bytes that could not be written at once wait here, and nothing
 * more is read meanwhile. */
struct flow {
	char *pending;
	size_t offset, length;
	bool source_eof, sink_eof;
};

struct session {
	struct tally *tally;
	struct session *next, *previous;
	struct session *again; /* only in session_connect_again() */
	struct session *next_unheard; /* in the list of the tally */
	struct room_node held; /* PHASE_HELD: in the waiting room */
	int client_fd, backend_fd;
	struct event *client_read, *client_write, *backend_read, *backend_write;
	struct flow up, down; /* client to backend, backend to client */
	enum phase phase;
	enum reason refusal; /* the reason of NEXT_REFUSE */
	uint64_t opened_us, moved_us, deadline_us; /* deadline of the phase, 0: none */
	/* for how long in all its deadlines were put off, as this process did not run, and when
	 * last */
	uint64_t put_off_us, put_off_at_us;
	struct proxy_addresses addresses;
	struct smtp_track track;
	struct dialogue dialogue;
	unsigned tries; /* further attempts to connect to the backend */
	int connect_error; /* an errno: why the last attempt failed; 0: it has not */
	uint64_t overtaken_at; /* number of greetings given at which it is overtaken */
	struct ask ask; /* with `asked`: the state when it began to wait for its answer */
	bool in_flight, shadow, ungreeted, relayed_early, lingers, decided, slow;
	bool unheard; /* it is in that list, and its socket is not watched yet */
	bool destination_told; /* by a PROXY header; else it is the socket's own address */
	bool probes; /* keepalive checks the connection to the server */
	bool asked, doubted; /* doubted: it is taken for stuck, until its answer comes after all */
	bool overtaken; /* while ungreeted: later sessions were greeted first, so it is no load */
	bool promised; /* its source was promised an admission: it is not refused late */
	bool owed; /* it waits for the place owed to its source, and has taken that debt over */
};

static inline uint64_t session_group(const struct session *session)
{
	return plan_group(session->addresses.source.s6_addr);
}

/* ---- header.c */
/* Reads on. NEXT_DECIDE: the header is complete. */
enum next header_read(struct session *session);
/* Counts and logs that the header is wrong, or that its sender may not send one. */
void header_fault(struct session *session, enum fault fault);

/* ---- verdict.c */
/* Decides on a new connection: it is admitted, refused, or waits for a place (NEXT_STAY).
 * `ret_instead`: the session that has to leave the full room because this one comes before it, or
 * NULL; the caller goes on with it as verdict_in_vain() says. */
enum next verdict_decide(struct session *session, struct session **ret_instead);
/* The next session whose wait ends now: it gets a place, is refused, or has waited in vain. NULL:
 * there is none. */
struct session *verdict_on_held(struct tally *tally, uint64_t now_us, enum next *ret_next);
/* Decides on a session that has waited in vain. */
enum next verdict_in_vain(struct session *session, uint64_t now_us);
/* Whether the client is on this host, and this host is not limited. */
bool verdict_is_own(const struct session *session);

/* ---- flight.c */
/* From now on the session is at the server and counts as in flight; `shadow`: in observe mode, only
 * what enforcing would count. */
void flight_enter(struct session *session, bool shadow);
/* The server has closed it, or never had it: the session no longer counts. */
void flight_leave(struct session *session, bool in_order);
/* Updates the counts after a step of the dialogue. */
void flight_track(struct session *session, struct smtp_track_change change);
/* Every 100 ms: checks whether the server has owed an answer for long. */
void flight_tick(struct session *session, uint64_t now_us);
void flight_tell_verdict(struct session *session, struct verdict verdict);
/* Tells the daemon that the client was admitted and then refused late, so that its source is owed
 * an admission at its next attempt. */
void flight_tell_late(struct session *session);

/* ---- held.c */
/* Lets the session wait for a place if it may. Returns whether it waits. `ret_instead`: the session
 * that has to leave the room for it, or NULL. */
bool held_enter(struct session *session, const struct plan_request *request,
		struct session **ret_instead);
/* Observe mode: whether enforcing would have let it wait. */
bool held_would_enter(const struct tally *tally, struct verdict verdict);
/* The session that gets the next place; NULL: none waits. */
struct session *held_first(const struct tally *tally);
/* A session that has waited for too long; NULL: there is none. */
struct session *held_too_long(const struct tally *tally, uint64_t now_us);
/* Ends the wait with this verdict, or because the client is gone. A source that has waited in vain
 * is owed the next place. */
void held_leave(struct session *session, enum counts_held end, struct verdict verdict);
/* The client has sent something, or has closed: NEXT_BREAK if it is gone, else NEXT_STAY. */
enum next held_watch(struct session *session);

/* ---- relay.c */
/* NEXT_STAY without a `backend_fd`: the accept queue of the backend, a UNIX socket, is full, and
 * session_connect_again() tries again. */
enum next relay_connect(struct session *session);
/* Goes on if the connection to the server is made by now, else waits for that. */
enum next relay_connected(struct session *session);
/* No octet has passed for a while: from now on keepalive checks that the server is there. */
void relay_probe(struct session *session);
/* The client has bytes, or room for some; the same of the server. */
enum next relay_up(struct session *session);
enum next relay_client_writable(struct session *session);
enum next relay_down(struct session *session);
enum next relay_backend_writable(struct session *session);

/* ---- refuse.c */
enum next refuse_begin(struct session *session);
/* A refused client has sent something. */
enum next refuse_hear(struct session *session);
/* Takes the first client off the list of those that are heard in this turn; NULL: there is none. */
struct session *refuse_next(struct tally *tally);
/* The session ends: takes it off that list. */
void refuse_forget(struct session *session);
/* The dialogue's time is up. */
void refuse_give_up(struct session *session);

/* ---- timeouts.c */
/* Call it before anything else is judged by the clock. Finds out whether this process itself did
 * not run: no client is refused for that. */
void timeouts_look(struct tally *tally, uint64_t now_us);
/* Every 100 ms: time-outs, late refusals, quiet clients. */
enum next timeouts_check(struct session *session, uint64_t now_us);

#endif
