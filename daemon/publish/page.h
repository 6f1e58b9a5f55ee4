/* The status page: one HTML document from one snapshot, no script needed to read it, nothing loaded from elsewhere. */
#ifndef PENSTOCK_PUBLISH_PAGE_H
#define PENSTOCK_PUBLISH_PAGE_H

#include "publish/status.h"

struct evbuffer;

void page_render(const struct status *status, struct evbuffer *out);

#endif
