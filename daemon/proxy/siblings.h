/* The other proxies of this host, above all those that were replaced and finish their sessions
 * (handover.h). What they have in flight is at the same mail server, so it takes places of the
 * window here, too. Without this a restart in an overload would let in a whole window again.
 *
 * Read from their files in RUN_DIR/counts (countsfile.h), as penstockd does. A file that cannot be
 * read counts as nothing in flight. */
#ifndef PENSTOCK_PROXY_SIBLINGS_H
#define PENSTOCK_PROXY_SIBLINGS_H

#include <stdint.h>

#include "core/counts.h"

#define SIBLINGS_MAX 32 /* later ones are not counted */

struct siblings {
	char directory[300];
	uint64_t service_id;
	int fds[SIBLINGS_MAX];
	unsigned block[SIBLINGS_MAX]; /* of the service, in the file's counts */
	unsigned count;
	uint64_t looked_us;
};

struct siblings_load {
	uint64_t in_flight, shadow_in_flight, ungreeted; /* sessions, as in counts.h */
};

/* `service_id`: of the service that this process serves; those of other services do not count. */
void siblings_init(struct siblings *siblings, const char *run_dir, uint64_t service_id);
void siblings_done(struct siblings *siblings);
/* Finds out which others there are; at most every half second. `own_path`: of this process's own
 * file. */
void siblings_look(struct siblings *siblings, const char *own_path, uint64_t now_us);
/* What all of them have in flight now. A system call for each. */
struct siblings_load siblings_load(const struct siblings *siblings);

#endif
