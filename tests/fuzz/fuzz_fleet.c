#include <stdlib.h>
#include <string.h>

#include "core/fleet.h"
#include "fleet/answer.h"

#define SLOTS 256

static const struct siphash_key key = { { 1, 2 } };

static void each(void *context, unsigned stream, const struct answer_id *id, const uint8_t *bytes,
		 size_t length)
{
	static struct fleet_record records[FLEET_FRAME_RECORDS];
	struct fleet_host host;
	uint64_t from;

	if (stream > 1)
		abort();
	if (!bytes)
		return;
	fleet_get_records(&key, bytes, length, &from, records);
	fleet_get_host(&key, bytes, length, &host);
}

/* Any answer of a store: hiredis reads it, and we take it apart. A long array would only ask the
 * sanitizer for memory. */
static void as_answer(const uint8_t *data, size_t size)
{
	static const char *const streams[] = { "{p}:ledger", "{p}:hosts" };
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	if (redisReaderFeed(reader, (const char *)data, size) == REDIS_OK &&
	    redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
		answer_walk(reply, streams, 2, each, NULL);
		freeReplyObject(reply);
	}
	redisReaderFree(reader);
}

static bool has_long_array(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		size_t digits = 0;

		if (data[i] != '*')
			continue;
		while (i + 1 + digits < size && data[i + 1 + digits] != '\r')
			digits++;
		if (digits > 4)
			return true;
	}
	return false;
}

/* Any bytes as records: what is taken makes sense, and what is merged makes sense, too. */
static void as_records(const uint8_t *data, size_t size)
{
	static struct fleet_slot slots[SLOTS];
	static uint64_t queue[64];
	struct fleet_memory memory = {
		.slots = slots, .sets = SLOTS / FLEET_SET_SLOTS, .queue = queue, .queue_size = 64
	};
	static struct fleet_record records[FLEET_FRAME_RECORDS];
	static uint8_t bytes[FLEET_FRAME_BYTES];
	struct fleet_record merged;
	uint64_t from;
	unsigned count = (unsigned)(size / sizeof(struct fleet_record));
	const uint32_t now_s = 1800000000;
	int n;

	if (count > FLEET_FRAME_RECORDS)
		count = FLEET_FRAME_RECORDS;
	memset(slots, 0, sizeof(slots));
	memcpy(records, data, count * sizeof(records[0]));
	n = fleet_get_records(&key, bytes, fleet_put_records(&key, 3, records, count, bytes), &from,
			      records);
	if (n != (int)count)
		abort();
	for (unsigned i = 0; i < count; i++)
		if (fleet_take(&memory, &records[i], now_s, &merged) &&
		    !fleet_makes_sense(&merged, now_s))
			abort();
	while (fleet_changes(&memory, &merged, 1))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fleet_host host;
	uint64_t from;
	static struct fleet_record records[FLEET_FRAME_RECORDS];

	fleet_get_records(&key, data, size, &from, records);
	fleet_get_host(&key, data, size, &host);
	if (!has_long_array(data, size))
		as_answer(data, size);
	as_records(data, size);
	return 0;
}
