#include <string.h>

#include "core/events.h"
#include "fuzz_table.h"

/* Any bytes as a ring: whatever its head says, a span lies in the ring; whatever its events say,
 * the table takes them in, stays in its bounds, and can be asked. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source_table *table;
	struct source_input in = fuzz_table_input();
	struct source_view list[8];
	struct plan plan = { .services = 1 };
	struct events_head head;
	struct events_span span;
	struct source_event event;

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
	table = fuzz_table(10);
	if (!table)
		return 0;
	for (size_t at = 0; at + sizeof(event) <= size; at += sizeof(event)) {
		memcpy(&event, data + at, sizeof(event));
		sources_note(table, &event, 1, in.now_us);
		in.now_us += (uint64_t)event.spare[0] * 1000000;
		in.realtime_us += (uint64_t)event.spare[0] * 1000000;
		in.service[0] = (struct source_load){ event.spare[1], event.turns, 5, 10 };
		source_plan(table, &in, &plan);
	}
	source_list(table, SOURCE_BY_AGE, in.now_us, list, 8);
	fuzz_table_check(table);
	return 0;
}
