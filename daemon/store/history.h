/* Keeps the history (core/history.h): the last hour and day in memory, all of it in
 * STATE_DIR/history, a file of a fixed size. A thread writes it, so that the tick waits for no
 * disk. When the disk is full or fails, one warning is logged; the rings in memory go on, and
 * the file follows when the disk can be written again. kill -9 loses the last seconds. A file
 * that is damaged or of another version is set aside (store/frame.h). */
#ifndef PENSTOCK_STORE_HISTORY_H
#define PENSTOCK_STORE_HISTORY_H

#include "core/history.h"

struct history;

/* Reads the file, and starts the thread. 0 or -ENOMEM. Without a directory or a thread the history
 * is kept only in memory, which is logged. */
int history_open(const char *state_dir, struct history **ret_history);
/* Writes the last records. NULL is fine. */
void history_close(struct history *history);
/* Adds the record of one second (period_s 1); call it in the order of time. Never waits. NULL is
 * fine. */
void history_put(struct history *history, const struct history_record *second);
/* The errno with which the file could not be written last; 0: it was written. */
int history_error(const struct history *history);
/* For tests, never in the tick: waits until all records were written, or writing failed. */
void history_flush(struct history *history);
/* The record of the ring in memory for `at_s` (seconds and tens only); NULL: there is none. */
const struct history_record *history_get(const struct history *history, enum history_tier tier,
					 uint64_t at_s);
/* The records in memory of [since_s, until_s), from the finest ring that reaches back so far. They
 * are merged into records of `step_s` or of the ring's period, whichever is longer. Returns how
 * many. */
size_t history_range(const struct history *history, uint64_t since_s, uint64_t until_s,
		     uint32_t step_s, struct history_record *ret, size_t most);
/* Reads the history that another process writes, from STATE_DIR/history. 0 with records (owned,
 * free()), or -errno; see history_pick(). */
int history_read(const char *state_dir, uint64_t now_s, uint64_t since_s, uint64_t until_s,
		 struct history_record **ret_records, size_t *ret_count);

#endif
