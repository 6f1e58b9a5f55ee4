/* One connection: verdict, then relay or refusal. */
#ifndef PENSTOCK_PROXY_SESSION_H
#define PENSTOCK_PROXY_SESSION_H

#include <netinet/in.h>
#include <stdint.h>

#include "proxy/proxy.h"

/* Takes over an accepted, non-blocking descriptor. On any failure the client is closed and that is counted. */
void session_new(struct proxy *proxy, int fd, uint64_t now_us);
/* Every 100 ms, for all: time-outs, late refusals, quiet clients. */
void session_tick(struct session *session, uint64_t now_us);
/* Adds what this session is to the gauges of `counts`, which begin at zero. */
void session_recount(const struct session *session, struct counts_service *counts);
struct session *session_next(const struct session *session);
/* The oldest waiting one's start; 0: this one does not wait. */
uint64_t session_waiting_since(const struct session *session);
/* Ends it now, without ceremony. */
void session_abort(struct session *session);

#endif
