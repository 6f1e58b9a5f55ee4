#include "core/maintenance.h"

#include <string.h>

#define JOINED_MAX 64 /* windows that follow each other without a gap */

/* Finds the first window that ends after `from_s`, joined with all that touch it. False: there is
 * none. */
static bool find(const struct maintenance_window *windows, unsigned count, int64_t from_s,
		 struct maintenance_span *ret)
{
	struct maintenance_span span = { 0 };
	bool found = false;

	for (unsigned i = 0; i < count; i++) {
		struct calendar_window w;

		if (calendar_next(&windows[i].when, &windows[i].zone, from_s, &w) < 0 ||
		    (found && w.begin_s >= span.begin_s))
			continue;
		found = true;
		span.begin_s = w.begin_s;
		span.end_s = w.end_s;
		memcpy(span.text, windows[i].when.text, sizeof(span.text));
	}
	for (unsigned joined = 0; found && joined < JOINED_MAX; joined++) {
		int64_t end_s = span.end_s;

		for (unsigned i = 0; i < count; i++) {
			struct calendar_window w;

			if (calendar_next(&windows[i].when, &windows[i].zone, span.end_s, &w) ==
				    0 &&
			    w.begin_s <= span.end_s)
				span.end_s = w.end_s;
		}
		if (span.end_s == end_s)
			break;
	}
	if (found)
		*ret = span;
	return found;
}

int64_t maintenance_look(const struct maintenance_window *windows, unsigned count, int64_t now_s,
			 struct maintenance_view *ret)
{
	struct maintenance_span first = { 0 };

	memset(&ret->now, 0, sizeof(ret->now));
	memset(&ret->next, 0, sizeof(ret->next));
	if (!find(windows, count, now_s, &first))
		return INT64_MAX;
	if (first.begin_s > now_s) {
		ret->next = first;
		return first.begin_s;
	}
	ret->now = first;
	find(windows, count, first.end_s, &ret->next);
	return first.end_s;
}
