/* Reads small kernel files (proc, sys, cgroup) as a whole, by directory descriptor, so that a test
 * can pass a copy of a tree. */
#ifndef PENSTOCK_BASE_READFILE_H
#define PENSTOCK_BASE_READFILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads at most size - 1 bytes of dir/path into buf and terminates it. Returns the length or -errno
 * (-EFBIG: it did not fit, and buf holds the beginning). */
int readfile_at(int dir_fd, const char *path, char *buf, size_t size);
/* The same for an open descriptor, from the beginning of the file (pread). */
int readfile_fd(int fd, char *buf, size_t size);
/* One read from the beginning: all of a file that the kernel writes in one piece (PSI, cpu.stat,
 * memory.stat, meminfo), or only the beginning of a longer file (/proc/stat). Returns the length or
 * -errno. */
int readfile_once(int fd, char *buf, size_t size);
/* Reads from the descriptor's offset until there are `size` bytes or the file ends. Returns how
 * many, or -errno. */
ssize_t readfile_up_to(int fd, void *buf, size_t size);
/* A file that holds one number. 0 or -errno; "max" gives UINT64_MAX. */
int readfile_u64_at(int dir_fd, const char *path, uint64_t *ret_value);
/* The number behind "key" at the start of a line ("usage_usec 123", "MemAvailable: 12 kB"): 0 or
 * -ENOENT. */
int readfile_field_u64(const char *content, const char *key, uint64_t *ret_value);

#endif
