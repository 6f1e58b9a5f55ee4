/* The daemon's plan as another process sees it, for one service: a read-only mapping of
 * RUN_DIR/plan, opened again when the daemon replaced the file. If there is no file, a damaged one
 * or an old heartbeat, or if the daemon has no service of this name, plan_decide() admits. */
#ifndef PENSTOCK_PROXY_PLANVIEW_H
#define PENSTOCK_PROXY_PLANVIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/plan.h"

/* The copy has one service, whatever its number is in the daemon. */
#define PLANVIEW_OWN 0u

struct planview {
	char path[320];
	char service[32]; /* name */
	uint64_t service_id;
	const struct plan *shared; /* NULL: none */
	dev_t device;
	ino_t inode;
	uint64_t checked_us;
	/* The last complete copy. It has the service as service[PLANVIEW_OWN]; `services` is 0 if
	 * the daemon does not know it. */
	struct plan plan;
	bool fresh, told; /* told: it was logged that the plan is missing or stale */
	bool unknown; /* it was logged that the daemon does not know the service */
};

/* `service`: its name. */
void planview_init(struct planview *view, const char *run_dir, const char *service);
void planview_done(struct planview *view);
/* The plan to decide from now. A system call at most every half second. */
const struct plan *planview_get(struct planview *view, uint64_t now_us);

#endif
