/* Writes a small file as a whole: a reader, and the next process after a crash, sees the old file
 * or the new one, and never a part. */
#ifndef PENSTOCK_BASE_WHOLEFILE_H
#define PENSTOCK_BASE_WHOLEFILE_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Writes the parts into dir/NAME.new and renames it. `dir_fd`: AT_FDCWD with an absolute name.
 * `mode`: of the file; 0: 0640, without what the umask takes. `sync`: wait for the disk before the
 * rename; without it a power cut may leave the new name with an empty file. 0, or -errno: the old
 * file is untouched, and NAME.new is gone. May block. */
int wholefile_write(int dir_fd, const char *name, mode_t mode, const struct iovec *parts,
		    unsigned count, bool sync);

#endif
