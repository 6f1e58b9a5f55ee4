/* The history's file as bytes: a head (store/frame.h), then the slots of the three rings
 * (core/history.h). Each slot has a checksum, so that an interrupted write costs only one slot.
 * Pure, and fuzzed. */
#ifndef PENSTOCK_STORE_HISTORY_FORMAT_H
#define PENSTOCK_STORE_HISTORY_FORMAT_H

#include <stddef.h>

#include "core/history.h"
#include "store/frame.h"

#define HISTORY_VERSION 3u
#define HISTORY_NAME "history"
#define HISTORY_BYTES (sizeof(struct frame_head) + HISTORY_SLOTS * sizeof(struct history_record))

extern const struct frame_kind history_kind;

/* Bytes of a record of version 2. It ended with four unused bytes in place of the figures of the
 * waiting room. */
#define HISTORY_V2_RECORD 472u
/* Whether `bytes` were a file of version 2, which had no figures of the waiting room. It is one of
 * this version now: they have room for HISTORY_BYTES, and `size` is that then. */
bool history_upgrade(uint8_t *bytes, size_t *size);
/* The offset of a slot in the file. */
uint64_t history_offset(enum history_tier tier, unsigned slot);
void history_seal(struct history_record *record);
/* Whether a slot holds a complete record that belongs there, with possible values. */
bool history_is_sound(const struct history_record *record, enum history_tier tier, unsigned slot);
/* What is asked for, in seconds since 1970: [since_s, until_s), as seen at now_s. */
struct history_span {
	uint64_t now_s, since_s, until_s;
};

/* Copies the records of `span` out of a whole file, in order of time, from the finest ring that
 * reaches back so far; at most `most`. 0 with their number, or the errors of frame_check(). */
int history_pick(const void *bytes, size_t size, const struct history_span *span,
		 struct history_record *ret, size_t most, size_t *ret_count);

#endif
