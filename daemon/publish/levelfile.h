/* RUN_DIR/level: level and state in one small file that changes with them, for hooks that start
 * and stop units (packaging/snippets/hooks.md). penstockd itself starts nothing and needs no
 * privilege for it. A hook reads these words and ignores any that it does not know.
 *
 *   LEVEL=shedding
 *   LEVEL_NUMBER=2
 *   STATE=serving
 */
#ifndef PENSTOCK_PUBLISH_LEVELFILE_H
#define PENSTOCK_PUBLISH_LEVELFILE_H

#include "core/engine.h"

/* Shortest time between two changes, so that a flapping level does not start units each second. */
#define LEVELFILE_PAUSE_US 5000000

struct levelfile {
	const char *run_dir; /* the caller's */
	bool written, failed;
	enum level_number level;
	enum engine_state state;
	uint64_t written_us, looked_us; /* CLOCK_MONOTONIC; looked: whether it is still there */
};

/* Once a tick. If the file cannot be written, that is logged once. */
void levelfile_step(struct levelfile *file, const struct engine_view *view, uint64_t now_us);
/* The daemon stops: writes level normal and state stopped, so that no hook stays paused. */
void levelfile_close(struct levelfile *file);

#endif
