#include "store/learned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/log.h"
#include "store/warmstart.h"

#define KEEP_US (10 * US_PER_S) /* time between two looks at what was learned */

struct learned {
	struct engine *engine;
	struct source_table *table;
	struct warmstart_file *file; /* NULL: nothing is kept */
	int error; /* errno, why there is no file */
	uint64_t kept_us;
};

int learned_open(const char *state_dir, struct engine *engine, struct source_table *table,
		 struct learned **ret_learned)
{
	struct learned *l = calloc(1, sizeof(*l));
	struct warmstart warm;
	int r;

	if (!l)
		return -ENOMEM;
	l->engine = engine;
	l->table = table;
	r = warmstart_load(state_dir, clock_realtime_us(), cpus_allowed(), &warm);
	if (r == 0) {
		warmstart_restore(&warm, engine, table);
		log_info("going on from what was learned before");
	}
	r = warmstart_open(state_dir, &l->file);
	if (r < 0)
		log_debug("what is learned is not kept: %s", strerror(-r));
	l->error = r < 0 ? -r : 0;
	*ret_learned = l;
	return 0;
}

int learned_error(const struct learned *l)
{
	return l->file ? warmstart_error(l->file) : l->error;
}

void learned_close(struct learned *l)
{
	if (!l)
		return;
	warmstart_close(l->file);
	free(l);
}

void learned_keep(struct learned *l, uint64_t now_us, uint64_t realtime_us)
{
	struct warmstart warm;
	bool any = false;

	if (!l->file || now_us - l->kept_us < KEEP_US)
		return;
	l->kept_us = now_us;
	warmstart_save(l->engine, l->table, realtime_us, cpus_allowed(), &warm);
	for (int i = 0; i < PLAN_SERVICES; i++)
		any |= warm.service[i].capacity_per_s > 0;
	if (any) /* otherwise leave what is in the file */
		warmstart_put(l->file, &warm);
}
