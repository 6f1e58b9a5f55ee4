/* The documents that penstockd makes, and the requests that wait for them. For each document at
 * most one question is on its way, and all requests that wait for it get the answer. */
#ifndef PENSTOCK_PUBLISH_HTTP_SHELF_H
#define PENSTOCK_PUBLISH_HTTP_SHELF_H

#include <stdbool.h>
#include <stdint.h>

#include "publish/http_wire.h"

struct event_base;
struct evhttp_request;
struct http_shelves;

/* `fd`: the channel to penstockd, taken in any case. When penstockd has ended, `base` ends its
 * loop. */
int http_shelves_open(struct event_base *base, const struct http_shared *shared, int fd,
		      struct http_shelves **ret_shelves);
/* Answers the waiting requests (503), and frees. NULL is fine. */
void http_shelves_close(struct http_shelves *shelves);
/* Tells penstockd that requests are answered from now on; `error`: errno of the missing sandbox, 0:
 * the sandbox is in force. */
void http_shelves_begun(struct http_shelves *shelves, uint32_t error);
/* Answers the request with the document, now or later. `span_s`: of a history, else 0. */
void http_shelves_want(struct http_shelves *shelves, struct evhttp_request *request,
		       uint32_t document, uint32_t span_s);
/* Whether penstockd is alive: its last tick is recent. */
bool http_alive(const struct http_shared *shared);

#endif
