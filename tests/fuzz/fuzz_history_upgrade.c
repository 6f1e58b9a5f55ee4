#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "publish/history_tell.h"
#include "store/history_format.h"

#define NOON UINT64_C(1800000000)
#define RECORDS_MAX 32
#define RECORD HISTORY_V2_RECORD

/* Writes any bytes as a record of version 2 with its sum, and returns whether the sum is right: it
 * is not if the first byte is odd. */
static int put(uint8_t *to, const uint8_t *from)
{
	uint64_t sum;

	memcpy(to, from, RECORD);
	sum = XXH3_64bits(to + sizeof(sum), RECORD - sizeof(sum)) ^ (from[0] & 1);
	memcpy(to, &sum, sizeof(sum));
	return !(from[0] & 1);
}

/* Any bytes as a file of version 2, and as records of such a file: what is upgraded is sound in its
 * sum, what was damaged is an empty slot, and all of it can be told. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct frame_kind second = { "HIST", 2 };
	static uint8_t *file;
	static struct history_record records[RECORDS_MAX];
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);
	struct frame_head head;
	int whole[RECORDS_MAX] = { 0 };
	size_t length, count = 0, put_count = 0;

	if (!file)
		file = malloc(HISTORY_BYTES);
	if (!file)
		return 0;
	length = size < HISTORY_BYTES ? size : HISTORY_BYTES;
	memcpy(file, data, length);
	history_upgrade(file, &length);
	memset(file, 0, HISTORY_BYTES);
	length = sizeof(head) + (size_t)HISTORY_SLOTS * RECORD;
	frame_head(&head, &second, 0, NULL, length - sizeof(head));
	memcpy(file, &head, sizeof(head));
	for (; put_count < RECORDS_MAX && (put_count + 1) * RECORD <= size; put_count++) {
		unsigned slot = history_slot(HISTORY_SECONDS, NOON - RECORDS_MAX + put_count);

		whole[put_count] =
			put(file + sizeof(head) + (size_t)slot * RECORD, data + put_count * RECORD);
	}
	if (!history_upgrade(file, &length) || length != HISTORY_BYTES)
		abort();
	for (size_t i = 0; i < put_count; i++) {
		unsigned slot = history_slot(HISTORY_SECONDS, NOON - RECORDS_MAX + i);
		struct history_record one, sealed;

		memcpy(&one, file + history_offset(HISTORY_SECONDS, slot), sizeof(one));
		sealed = one;
		history_seal(&sealed);
		if (whole[i] ? one.sum != sealed.sum || one.held != -1 : one.sum != 0)
			abort();
	}
	if (history_pick(file, HISTORY_BYTES,
			 &(struct history_span){ NOON, NOON - RECORDS_MAX, NOON }, records,
			 RECORDS_MAX, &count) != 0)
		abort();
	history_sentences(records, count, &out);
	history_table(records, count, 8, &out);
	json_decref(history_json(records, count, true));
	return 0;
}
