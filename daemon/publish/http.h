/* HTTP for machines and people: / /metrics /status.json /history.json /healthz /readyz; and the
 * page for customers, on addresses of its own. A process without privilege, http_process.c, reads
 * the bytes from outside. */
#ifndef PENSTOCK_PUBLISH_HTTP_H
#define PENSTOCK_PUBLISH_HTTP_H

#include "publish/documents.h"

struct event_base;
struct http;

/* Listens, and starts the process. `ops` and `context` stay the caller's. 0, or -errno with a
 * sentence in `why` (160). */
int http_open(struct event_base *base, const struct config *config, enum http_kind kind,
	      const struct control_ops *ops, void *context, struct http **ret_http, char *why);
/* Takes a changed configuration with the same addresses: the allowed host names may have
 * changed. */
void http_configure(struct http *http, const struct config *config);
/* Once a tick: shows the process that penstockd is alive, and starts it again if it has ended. */
void http_step(struct http *http, const struct engine_view *view, uint64_t now_us);
bool http_is_up(const struct http *http);
/* How often the process was started again. */
uint64_t http_restarts(const struct http *http);
/* NULL is fine. */
void http_close(struct http *http);

#endif
