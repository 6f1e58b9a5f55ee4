#include "base/memlimit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fuse.h"
#include "base/readfile.h"

#define ROOT "/sys/fs/cgroup"

/* The smallest `name` of the group `path` below `root` and of those above it. */
static uint64_t least(const char *root, const char *path, const char *name)
{
	uint64_t limit, ret = UINT64_MAX;
	char at[512], file[600];
	char *slash;

	snprintf(at, sizeof(at), "%s%s", root, path);
	while (strlen(at) >= strlen(root)) {
		snprintf(file, sizeof(file), "%s/%s", at, name);
		if (readfile_u64_at(AT_FDCWD, file, &limit) == 0 && limit < ret)
			ret = limit;
		slash = strrchr(at, '/');
		if (!slash)
			break;
		*slash = 0;
	}
	return ret;
}

uint64_t memlimit_of_self(void)
{
	char groups[4096], *save = NULL;
	uint64_t limit = UINT64_MAX, found;

	if (!fuse_serves_proc("meminfo") &&
	    readfile_at(AT_FDCWD, "/proc/meminfo", groups, sizeof(groups)) > 0 &&
	    readfile_field_u64(groups, "MemAvailable:", &found) == 0)
		limit = found * 1024;
	if (readfile_at(AT_FDCWD, "/proc/self/cgroup", groups, sizeof(groups)) < 0)
		return limit;
	for (char *line = strtok_r(groups, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = 0;
		controllers++;
		if (!controllers[0])
			found = least(ROOT, path, "memory.max");
		else if (strstr(controllers, "memory"))
			found = least(ROOT "/memory", path, "memory.limit_in_bytes");
		else
			continue;
		if (found < limit)
			limit = found;
	}
	return limit;
}
