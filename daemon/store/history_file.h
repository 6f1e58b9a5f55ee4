/* The file of the history: read as a whole, written record by record. */
#ifndef PENSTOCK_STORE_HISTORY_FILE_H
#define PENSTOCK_STORE_HISTORY_FILE_H

#include <stddef.h>

#include "store/history_format.h"

struct history_file {
	int dir_fd; /* the state directory, the owner's */
	int fd; /* -1: it is not open yet */
};

/* Reads the file in this directory, HISTORY_BYTES at most. 0, and `ret_bytes` is freed by the
 * caller; or -errno. `ret_upgraded`: these are the bytes of history_upgrade(), and not the file's;
 * NULL: of no interest. */
int history_file_read(int dir_fd, uint8_t **ret_bytes, size_t *ret_size, bool *ret_upgraded);
/* Replaces the file by these HISTORY_BYTES, or leaves it as it is. 0 or -errno. */
int history_file_replace(int dir_fd, const uint8_t *bytes);
/* Writes a record, which is sealed here; creates the file if it is not there. 0 or -errno. */
int history_file_write(struct history_file *file, enum history_tier tier,
		       struct history_record *record);

#endif
