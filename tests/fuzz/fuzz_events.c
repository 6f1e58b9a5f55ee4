#include <stdlib.h>
#include <string.h>

#include "core/events.h"

/* Any bytes as a ring: whatever its head says, a span lies in the ring; whatever its events say,
 * the table takes them in, stays in its bounds, and can be asked. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct source_config config = { .ledger_bytes = 65536,
						     .rate_bytes = 65536,
						     .cores = 1,
						     .longest_deferral_s = 7200,
						     .longest_attempts = 3,
						     .proper_s = 120,
						     .rate_max = 10 };
	static const uint64_t seed[2] = { 1, 2 };
	static void *block;
	struct source_table *table;
	struct source_input in = { .now_us = 1000000, .realtime_us = UINT64_C(1800000000000000) };
	struct source_view list[8];
	struct source_stats stats;
	struct plan plan = { .services = 1 };
	struct events_head head;
	struct events_span span;
	struct source_event event;

	if (!block && posix_memalign(&block, 64, source_size(&config)) != 0)
		return 0;
	if (size >= sizeof(head) + 8) {
		uint64_t tail;

		memcpy(&head, data, sizeof(head));
		memcpy(&tail, data + sizeof(head), 8);
		if (events_span(&head, tail, 100, &span) == 0) {
			if (span.count > 100 || span.from >= EVENTS_RING ||
			    events_torn(&head, tail, &span) > span.count)
				abort();
		}
	}
	table = source_init(block, &config, seed);
	for (size_t at = 0; at + sizeof(event) <= size; at += sizeof(event)) {
		memcpy(&event, data + at, sizeof(event));
		sources_note(table, &event, 1, in.now_us);
		in.now_us += (uint64_t)event.spare[0] * 1000000;
		in.realtime_us += (uint64_t)event.spare[0] * 1000000;
		in.service[0] = (struct source_load){ event.spare[1], event.turns, 5, 10 };
		source_plan(table, &in, &plan);
	}
	source_list(table, SOURCE_BY_AGE, in.now_us, list, 8);
	source_stats(table, &stats);
	if (stats.tracked > stats.capacity || stats.deferred > stats.tracked)
		abort();
	return 0;
}
