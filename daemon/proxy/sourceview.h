/* The daemon's table of sources as the proxy sees it: a read-only mapping of RUN_DIR/sources,
 * opened again when the daemon made a new one. Without it no source is ranked: every source passes
 * the cut-off, and the window alone decides. */
#ifndef PENSTOCK_PROXY_SOURCEVIEW_H
#define PENSTOCK_PROXY_SOURCEVIEW_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/source.h"

struct sourceview {
	char path[320];
	const struct source_table *table; /* NULL: none */
	size_t size;
	dev_t device;
	ino_t inode;
	sigjmp_buf torn; /* the file was cut short under the mapping */
};

void sourceview_init(struct sourceview *view, const char *run_dir);
void sourceview_done(struct sourceview *view);
/* Maps the file again when it was replaced. System calls: not for every connection. */
void sourceview_check(struct sourceview *view);
/* Like source_lookup(). False: there is no table, so no source is ranked. */
bool sourceview_lookup(struct sourceview *view, const uint8_t *address, uint64_t now_us,
		       struct plan_source *ret);

#endif
