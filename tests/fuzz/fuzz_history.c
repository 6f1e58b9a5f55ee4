#include <stdlib.h>
#include <string.h>

#include "publish/history_tell.h"
#include "store/history_format.h"

#define NOON UINT64_C(1800000000)
#define RECORDS_MAX 32

/* Any bytes as slots of the history's file: what is taken is of its slot, and can be told. The sums
 * are made right: a sum keeps accidents out, not malice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *file;
	static struct history_record records[RECORDS_MAX];
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);
	size_t count = 0;
	struct frame_head head;

	/* As a whole file it is refused, or too short. */
	history_pick(data, size, &(struct history_span){ NOON, NOON - 100, NOON }, records,
		     RECORDS_MAX, &count);
	if (!file)
		file = calloc(1, HISTORY_BYTES);
	if (!file)
		return 0;
	frame_head(&head, &history_kind, 0, NULL, HISTORY_BYTES - sizeof(head));
	memcpy(file, &head, sizeof(head));
	for (size_t i = 0; (i + 1) * sizeof(struct history_record) <= size && i < RECORDS_MAX;
	     i++) {
		struct history_record one;

		memcpy(&one, data + i * sizeof(one), sizeof(one));
		history_seal(&one);
		memcpy(file + history_offset(HISTORY_SECONDS,
					     history_slot(HISTORY_SECONDS, NOON - RECORDS_MAX + i)),
		       &one, sizeof(one));
	}
	count = 0;
	if (history_pick(file, HISTORY_BYTES,
			 &(struct history_span){ NOON, NOON - RECORDS_MAX, NOON }, records,
			 RECORDS_MAX, &count) != 0 ||
	    count > RECORDS_MAX)
		abort();
	for (size_t i = 1; i < count; i++)
		if (records[i].at_s <= records[i - 1].at_s)
			abort();
	history_sentences(records, count, &out);
	history_table(records, count, 8, &out);
	json_decref(history_json(records, count, true));
	return 0;
}
