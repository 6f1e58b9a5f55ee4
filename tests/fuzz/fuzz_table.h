/* A small table of sources that a fuzzer fills. */
#ifndef PENSTOCK_FUZZ_TABLE_H
#define PENSTOCK_FUZZ_TABLE_H

#include <stdlib.h>

#include "core/source.h"

/* Empty, in the same memory each time; NULL: there is none. */
static struct source_table *fuzz_table(uint32_t rate_max)
{
	static const uint64_t seed[2] = { 1, 2 };
	static void *block;
	struct source_config config = { .ledger_bytes = 65536,
					.rate_bytes = 65536,
					.cores = 1,
					.longest_deferral_s = 7200,
					.longest_attempts = 3,
					.proper_s = 120,
					.rate_max = rate_max };

	if (!block && posix_memalign(&block, 64, source_size(&config)) != 0)
		return NULL;
	return source_init(block, &config, seed);
}

static struct source_input fuzz_table_input(void)
{
	return (struct source_input){ .now_us = 1000000,
				      .realtime_us = UINT64_C(1800000000000000) };
}

/* Its counts are possible, whatever was put into it. */
static void fuzz_table_check(const struct source_table *table)
{
	struct source_stats stats;

	source_stats(table, &stats);
	if (stats.tracked > stats.capacity || stats.deferred > stats.tracked)
		abort();
}

#endif
