/* The ledger on disk, STATE_DIR/ledger: a frame's head (store/frame.h) without a sum over the
 * whole, the ledger's own head, then one record for each block of the table, each with a checksum
 * of its own, rewritten in place as blocks change. A record that a crash cut short, or that was
 * never written, costs only its block. Pure; fuzzed. */
#ifndef PENSTOCK_STORE_LEDGER_FORMAT_H
#define PENSTOCK_STORE_LEDGER_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "core/source.h"
#include "store/frame.h"

struct ledger_head {
	struct frame_head frame;
	uint64_t seed[2]; /* keys of the hashes: with other keys no source is found */
	uint32_t blocks, block_size;
	uint64_t sum; /* XXH3 of the three above */
};

struct ledger_record {
	uint64_t serial; /* from 1 on; 0: never written */
	uint64_t sum; /* XXH3 of number, serial and bytes */
	uint8_t bytes[SOURCE_BLOCK];
};

#define LEDGER_HEAD_SIZE 4096u /* on disk; the rest is zero */

void ledger_head_make(struct ledger_head *head, const uint64_t seed[2], uint32_t blocks);
/* From the first `size` bytes of a file of `file_size`. 0 with the head; the errors of
 * frame_check() otherwise. */
int ledger_head_check(const void *bytes, size_t size, uint64_t file_size, struct ledger_head *ret);
void ledger_record_make(struct ledger_record *record, uint32_t number, uint64_t serial,
			const void *bytes);
/* 1: complete; 0: never written; -1: damaged. */
int ledger_record_check(const struct ledger_record *record, uint32_t number);
static inline uint64_t ledger_record_at(uint32_t number)
{
	return LEDGER_HEAD_SIZE + (uint64_t)number * sizeof(struct ledger_record);
}

#endif
