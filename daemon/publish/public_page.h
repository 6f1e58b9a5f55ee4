/* The page for customers of the mail service: whether mail is accepted, since when, until when if
 * an end is known, and maintenance that is planned. It says nothing of this host, of penstock or of
 * a reason, so that it may be public. What it looks like is in www/public.html and public.css. */
#ifndef PENSTOCK_PUBLISH_PUBLIC_PAGE_H
#define PENSTOCK_PUBLISH_PUBLIC_PAGE_H

#include "core/engine.h"

struct evbuffer;
struct status;

/* As a customer sees it. A host whose own state changes while all mail is admitted is one that
 * works. */
enum public_state { PUBLIC_WORKS, PUBLIC_DELAYED, PUBLIC_MAINTENANCE };

enum public_state public_state(const struct engine_view *view);
void public_page_render(const struct status *status, struct evbuffer *out);

#endif
