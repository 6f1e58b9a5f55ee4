#include <stdlib.h>
#include <string.h>

#include "fuzz_table.h"
#include "store/ledger_format.h"

/* Any bytes as a ledger's file: what is taken for one is of the size that it says, and what of its
 * records is taken can be asked for and stepped over. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ledger_record record;
	struct source_table *table;
	struct source_input in = fuzz_table_input();
	struct plan plan = { .services = 1 };
	struct ledger_head head;

	if (ledger_head_check(data, size, size, &head) == 0 &&
	    (head.blocks == 0 || ledger_record_at(head.blocks) != size))
		abort();
	table = fuzz_table(0);
	if (!table)
		return 0;
	for (unsigned at = 0, n = 0; at < size; at += sizeof(record), n++) {
		size_t left = size - at < sizeof(record) ? size - at : sizeof(record);

		memcpy(&record, data + at, left);
		ledger_record_check(&record, n);
		/* As if its sum were right: a sum keeps accidents out, not malice. */
		source_block_load(table, n % 18, record.bytes, in.realtime_us);
	}
	for (int i = 0; i < 20; i++, in.now_us += 100000, in.realtime_us += 100000)
		source_plan(table, &in, &plan);
	fuzz_table_check(table);
	return 0;
}
