/* One connection: verdict, then relay or refusal. */
#ifndef PENSTOCK_PROXY_SESSION_H
#define PENSTOCK_PROXY_SESSION_H

#include <netinet/in.h>
#include <stdint.h>

#include "proxy/tally.h"

/* Takes over an accepted, non-blocking descriptor, whose listening socket had TCP_NODELAY; `peer`
 * as accept4() gave it. On any failure the client is closed, which is counted. */
void session_new(struct tally *tally, int fd, const struct sockaddr_storage *peer, uint64_t now_us);
/* Admits waiting clients as long as there are places, and refuses those that have waited for too
 * long. */
void session_admit_held(struct tally *tally, uint64_t now_us);
/* A turn begins (`takes_turns`): hears the clients that were refused in the turn before. */
void session_hear_refused(struct tally *tally, uint64_t now_us);
/* How many may wait at once: limited by `connections_max` of the front and by the machine's
 * memory, in bytes; at most 10,000. Pure. */
unsigned held_max(uint64_t memory, unsigned connections_max);
/* Call it for each session every 100 ms, after session_admit_held(). */
void session_tick(struct session *session, uint64_t now_us);
/* Call it every 100 ms. Connects sessions that found the backend's accept queue full, the earliest
 * first, until it is full again. If the backend has changed, also those that were still connecting
 * to the one before. */
void session_connect_again(struct tally *tally, uint64_t now_us);
/* Call it when the files of counts and events were truncated: makes new ones, and counts again what
 * is in flight. */
void session_mend_counts(struct tally *tally);
struct session *session_next(const struct session *session);
/* When the session began to wait; 0: it does not wait. */
uint64_t session_waiting_since(const struct session *session);
/* Ends the session now, without a reply. */
void session_abort(struct session *session);

#endif
