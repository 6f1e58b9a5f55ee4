/* The daemon's plan as the proxy sees it: a read-only mapping of RUN_DIR/plan, opened again when
 * the daemon replaced the file. If there is no file, a damaged one or an old heartbeat,
 * plan_decide() admits. */
#ifndef PENSTOCK_PROXY_PLANVIEW_H
#define PENSTOCK_PROXY_PLANVIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/plan.h"

struct planview {
	char path[320];
	const struct plan *shared; /* NULL: none */
	dev_t device;
	ino_t inode;
	uint64_t checked_us;
	struct plan plan; /* the last complete copy */
	bool fresh, told; /* told: it was logged that the plan is missing or stale */
};

void planview_init(struct planview *view, const char *run_dir);
void planview_done(struct planview *view);
/* The plan to decide from now. A system call at most every half second. */
const struct plan *planview_get(struct planview *view, uint64_t now_us);

#endif
