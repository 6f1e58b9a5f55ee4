/* Which of several windows of maintenance is in force now, and which comes next. Windows that touch
 * or overlap are one. Pure. */
#ifndef PENSTOCK_CORE_MAINTENANCE_H
#define PENSTOCK_CORE_MAINTENANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/calendar.h"

struct maintenance_window {
	struct calendar when;
	struct zone zone;
};

struct maintenance_span {
	int64_t begin_s, end_s; /* of the epoch; 0, 0: there is none */
	char text[64]; /* for people; may be empty */
};

/* What each outlet shows of it. */
struct maintenance_view {
	unsigned windows; /* how many are configured */
	struct maintenance_span now, next;
	char why[200]; /* a window that cannot take effect, with the reason; empty: there is none */
};

/* Sets `now` and `next` of the view. Returns the time until which both stay as they are. */
int64_t maintenance_look(const struct maintenance_window *windows, unsigned count, int64_t now_s,
			 struct maintenance_view *ret);

#endif
