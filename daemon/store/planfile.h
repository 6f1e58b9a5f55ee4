/* RUN_DIR/plan, which the proxies read. It is written completely under another name and then
 * renamed, so that no front maps half a plan. Its pages are allocated first, so that a full file
 * system cannot kill a process that writes or reads the mapping. */
#ifndef PENSTOCK_STORE_PLANFILE_H
#define PENSTOCK_STORE_PLANFILE_H

#include "core/plan.h"

struct planfile;

/* 0 or -errno. */
int planfile_open(const char *run_dir, struct planfile **ret_planfile);
void planfile_write(struct planfile *planfile, const struct plan *plan);
/* Writes a plan without a heartbeat, which no front follows, and removes the file: fronts admit
 * everything from now on. */
void planfile_close(struct planfile *planfile);

#endif
