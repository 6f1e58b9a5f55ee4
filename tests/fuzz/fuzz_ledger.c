#include <stdlib.h>
#include <string.h>

#include "store/ledger_format.h"

/* Any bytes as a ledger's file: what is taken for one is of the size that it says, and what of its
 * records is taken can be asked for and stepped over. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct source_config config = { .ledger_bytes = 65536,
						     .rate_bytes = 65536,
						     .cores = 1,
						     .longest_deferral_s = 7200,
						     .longest_attempts = 3,
						     .proper_s = 120 };
	static const uint64_t seed[2] = { 1, 2 };
	static void *block;
	static struct ledger_record record;
	struct source_table *table;
	struct source_input in = { .now_us = 1000000, .realtime_us = UINT64_C(1800000000000000) };
	struct source_stats stats;
	struct plan plan = { .services = 1 };
	struct ledger_head head;

	if (ledger_head_check(data, size, size, &head) == 0 &&
	    (head.blocks == 0 || ledger_record_at(head.blocks) != size))
		abort();
	if (!block && posix_memalign(&block, 64, source_size(&config)) != 0)
		return 0;
	table = source_init(block, &config, seed);
	for (unsigned at = 0, n = 0; at < size; at += sizeof(record), n++) {
		size_t left = size - at < sizeof(record) ? size - at : sizeof(record);

		memcpy(&record, data + at, left);
		ledger_record_check(&record, n);
		/* As if its sum were right: a sum keeps accidents out, not malice. */
		source_block_load(table, n % 18, record.bytes, in.realtime_us);
	}
	for (int i = 0; i < 20; i++, in.now_us += 100000, in.realtime_us += 100000)
		source_plan(table, &in, &plan);
	source_stats(table, &stats);
	if (stats.tracked > stats.capacity || stats.deferred > stats.tracked)
		abort();
	return 0;
}
