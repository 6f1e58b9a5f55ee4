#include "store/ledger_format.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define BLOCKS_MAX (1u << 24)

static const struct frame_kind ledger_kind = { "LEDG", 1 };

static uint64_t head_sum(const struct ledger_head *head)
{
	return XXH3_64bits(head->seed,
			   offsetof(struct ledger_head, sum) - offsetof(struct ledger_head, seed));
}

void ledger_head_make(struct ledger_head *head, const uint64_t seed[2], uint32_t blocks)
{
	memset(head, 0, sizeof(*head));
	frame_head(&head->frame, &ledger_kind, 0, NULL,
		   ledger_record_at(blocks) - sizeof(head->frame));
	head->seed[0] = seed[0];
	head->seed[1] = seed[1];
	head->blocks = blocks;
	head->block_size = SOURCE_BLOCK;
	head->sum = head_sum(head);
}

int ledger_head_check(const void *bytes, size_t size, uint64_t file_size, struct ledger_head *ret)
{
	struct ledger_head head;
	const void *payload;
	size_t length;
	int r;

	if (size < sizeof(head))
		return -ENODATA;
	memcpy(&head, bytes, sizeof(head));
	/* Only the head was read, so a checksum over the payload could not be verified. We never
	 * write one. */
	if (head.frame.flags & FRAME_SUMMED)
		return -EBADMSG;
	r = frame_check(&head, (size_t)file_size, &ledger_kind, &payload, &length);
	if (r < 0)
		return r;
	if (head.sum != head_sum(&head) || head.block_size != SOURCE_BLOCK || head.blocks == 0 ||
	    head.blocks > BLOCKS_MAX || ledger_record_at(head.blocks) != file_size)
		return -EBADMSG;
	*ret = head;
	return 0;
}

static uint64_t record_sum(const struct ledger_record *record, uint32_t number)
{
	return XXH3_64bits_withSeed(record->bytes, sizeof(record->bytes),
				    record->serial ^ (uint64_t)number << 40);
}

void ledger_record_make(struct ledger_record *record, uint32_t number, uint64_t serial,
			const void *bytes)
{
	record->serial = serial;
	memcpy(record->bytes, bytes, sizeof(record->bytes));
	record->sum = record_sum(record, number);
}

int ledger_record_check(const struct ledger_record *record, uint32_t number)
{
	if (record->serial == 0 && record->sum == 0)
		return 0;
	return record->serial != 0 && record->sum == record_sum(record, number) ? 1 : -1;
}
