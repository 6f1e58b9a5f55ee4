/* Lines of /proc/PID/mountinfo (proc(5)) as plain data: pure functions on text, fuzzed
 * (tests/fuzz/fuzz_mountinfo.c). */
#ifndef PENSTOCK_SENSOR_MOUNTINFO_H
#define PENSTOCK_SENSOR_MOUNTINFO_H

#include <stdbool.h>

#define MOUNTINFO_PATH_MAX 1024

struct mountinfo {
	unsigned major,
		/* st_dev of what lies there; major 0: anonymous (btrfs, overlay, tmpfs, NFS) */
		minor;
	char point[MOUNTINFO_PATH_MAX]; /* where, as this process sees it; octal escapes undone */
	char type[64]; /* file system */
	char source[MOUNTINFO_PATH_MAX]; /* device, or whatever the file system says */
	char options[2048]; /* of the super block: overlay's upperdir stands here */
};

/* The next line at *cursor, which moves on. 1, or 0 at the end; lines that are none, or hold more
 * than fits, are passed over. */
int mountinfo_next(const char **cursor, struct mountinfo *ret);
/* The mount that `path` (absolute, without links) lies in: the longest mount point, of those the
 * last. 0 or -ENOENT. */
int mountinfo_of_path(const char *content, const char *path, struct mountinfo *ret);
/* The value of "key=" in a mount's options, octal and backslash escapes undone. Whether it is there
 * and fits. */
bool mountinfo_option(const struct mountinfo *mount, const char *key, char *ret, unsigned size);

#endif
