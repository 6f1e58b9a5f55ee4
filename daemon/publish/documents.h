/* The documents of HTTP, made from the snapshot of the last tick. Every client may read them, so
 * they have no names of other users' control groups. */
#ifndef PENSTOCK_PUBLISH_DOCUMENTS_H
#define PENSTOCK_PUBLISH_DOCUMENTS_H

#include <stdint.h>

#include "publish/control_ops.h"

struct evbuffer;

/* Which clients are served: operators get / /metrics /status.json /history.json /healthz /readyz on
 * http.listen; customers get their page and nothing else on http.public. */
enum http_kind { HTTP_OPERATORS, HTTP_CUSTOMERS };

enum document {
	DOCUMENT_PAGE, /* with charts of the last five minutes */
	DOCUMENT_PAGE_HOUR,
	DOCUMENT_PAGE_DAY,
	DOCUMENT_PUBLIC, /* the page for customers */
	DOCUMENT_JSON,
	DOCUMENT_METRICS,
	DOCUMENT_OPENMETRICS,
	DOCUMENT_HISTORY,
	DOCUMENT__COUNT
};

#define DOCUMENT_SPAN_MAX_S 86400u

/* Appends `document` as of now to `out`. `span_s`: how far back a history goes, 1 to
 * DOCUMENT_SPAN_MAX_S. False: out of memory. */
bool document_make(const struct control_ops *ops, void *context, enum document document,
		   uint32_t span_s, struct evbuffer *out);

#endif
