/* The page for customers of the mail service: whether mail is accepted, since when, until when if
 * an end is known, and planned maintenance. It says nothing about this host, about penstock or
 * about a reason, so that it may be public. Its looks are in www/public.html and public.css. */
#ifndef PENSTOCK_PUBLISH_PUBLIC_PAGE_H
#define PENSTOCK_PUBLISH_PUBLIC_PAGE_H

#include "core/engine.h"

struct evbuffer;
struct status;

/* The state as a customer sees it. While all mail is admitted the host works, whatever its own
 * state is. */
enum public_state { PUBLIC_WORKS, PUBLIC_DELAYED, PUBLIC_MAINTENANCE };

enum public_state public_state(const struct engine_view *view);
void public_page_render(const struct status *status, struct evbuffer *out);

#endif
