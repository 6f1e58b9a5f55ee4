/* Lines of /proc/PID/mountinfo (proc(5)) as plain data: pure functions on text, fuzzed
 * (tests/fuzz/fuzz_mountinfo.c). */
#ifndef PENSTOCK_SENSOR_MOUNTINFO_H
#define PENSTOCK_SENSOR_MOUNTINFO_H

#include <stdbool.h>

#define MOUNTINFO_PATH_MAX 1024

struct mountinfo {
	unsigned major,
		/* st_dev of files there; major 0: anonymous (btrfs, overlay, tmpfs, NFS) */
		minor;
	/* mount point as this process sees it; octal escapes decoded */
	char point[MOUNTINFO_PATH_MAX];
	char type[64]; /* file system */
	char source[MOUNTINFO_PATH_MAX]; /* device, or whatever the file system says */
	char options[2048]; /* options of the super block: overlay's upperdir is here */
};

/* The next line at *cursor, which moves on. 1, or 0 at the end; malformed lines, and lines with
 * more than fits, are skipped. */
int mountinfo_next(const char **cursor, struct mountinfo *ret);
/* The mount that contains `path` (absolute, without links): the longest mount point, and the last
 * one if there are several. 0 or -ENOENT. */
int mountinfo_of_path(const char *content, const char *path, struct mountinfo *ret);
/* The value of "key=" in a mount's options, with octal and backslash escapes decoded. False: it is
 * missing or does not fit. */
bool mountinfo_option(const struct mountinfo *mount, const char *key, char *ret, unsigned size);

#endif
