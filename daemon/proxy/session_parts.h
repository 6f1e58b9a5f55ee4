/* What the three files of a session share: session.c (life, verdict, counts), relay.c (bytes both ways), refuse.c (the
 * dialogue with a refused client). */
#ifndef PENSTOCK_PROXY_SESSION_PARTS_H
#define PENSTOCK_PROXY_SESSION_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/turns.h"
#include "proxy/proxy.h"
#include "proxy/proxy_protocol.h"
#include "refuse/talk.h"

enum phase {
	PHASE_HEADER, /* a PROXY header is awaited */
	PHASE_CONNECT, /* to the backend */
	PHASE_RELAY,
	PHASE_REFUSE, /* in dialogue with a refused client */
	PHASE_CLOSING, /* said the last word, reading until the client closes */
};

/* One direction of the relay. What could not be written at once waits here, and its source is not read meanwhile. */
struct flow {
	char *pending;
	size_t offset, length;
	bool source_eof, sink_eof;
};

struct session {
	struct proxy *proxy;
	struct session *next, *previous;
	int client_fd, backend_fd;
	struct event *client_read, *client_write, *backend_read, *backend_write;
	struct flow up, down; /* client to backend, backend to client */
	enum phase phase;
	uint64_t opened_us, moved_us, deadline_us; /* deadline: of the phase, 0: none */
	struct proxy_addresses addresses;
	struct turns turns;
	struct dialogue dialogue;
	unsigned tries; /* of the backend, after the first */
	bool in_flight, shadow, waiting, relayed_early, lingers, decided;
};

/* ---- session.c */
void session_apply_turns(struct session *session, struct turns_change change);
/* The server has closed, or never had it: the session no longer counts. */
void session_leave_flight(struct session *session, bool in_order);
void session_close_backend(struct session *session, bool in_order);
/* Frees the session. */
void session_end(struct session *session, bool in_order);
/* The same, and the client learns of a broken connection as such: by a reset. */
void session_reset(struct session *session);
/* Admitted, and then refused all the same: the daemon is told, its next attempt is owed an admission. */
void session_tell_late(struct session *session);
void session_free_event(struct event **event);

/* ---- relay.c */
void relay_connect(struct session *session);
/* Admitted, but there is no server for it. */
void relay_refuse_admitted(struct session *session);
/* The client has bytes, or room for some. */
void relay_up(struct session *session);
void relay_client_writable(struct session *session);

/* ---- refuse.c */
void session_refuse(struct session *session, enum reason reason);
/* A refused client has said something. */
void session_converse(struct session *session);
/* Its time is up. */
void session_give_up(struct session *session);

#endif
