/* The status page: one HTML document from one snapshot and the history, no script needed to read
 * it, nothing loaded from elsewhere. What it looks like is in www/: page.html with the placeholders
 * of template.h, page.css, page.js, which are put into the program when it is built. */
#ifndef PENSTOCK_PUBLISH_PAGE_H
#define PENSTOCK_PUBLISH_PAGE_H

#include "core/history.h"
#include "publish/status.h"

struct evbuffer;

/* Where the page gets the history from, like `history` of publish/control_ops.h. */
struct page_past {
	size_t (*history)(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
			  struct history_record *ret, size_t most);
	void *context;
	uint32_t span_s; /* of the charts: 300, 3600 or 86400 */
};

/* Without the names of neighbours: see status_hide_neighbours(). `past` NULL: no charts. */
void page_render(const struct status *status, const struct page_past *past, struct evbuffer *out);
/* A file that the page loads, and its type; NULL: there is none at that path. */
const char *page_file(const char *path, const char **ret_type);

#endif
