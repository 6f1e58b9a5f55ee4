#include "config/zone_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/readfile.h"

int zone_file_load(const char *name, struct zone *ret)
{
	_cleanup_free_ char *bytes = NULL;
	struct zone utc = { 0 };
	char path[128] = "/etc/localtime";
	int n;

	if (strcmp(name, "UTC") == 0) {
		*ret = utc;
		return 0;
	}
	if (name[0])
		snprintf(path, sizeof(path), ZONE_DIRECTORY "/%s", name);
	bytes = malloc(ZONE_FILE_MAX);
	if (!bytes)
		return -ENOMEM;
	n = readfile_at(AT_FDCWD, path, bytes, ZONE_FILE_MAX);
	if (n == -ENOENT && !name[0]) {
		*ret = utc;
		return 0;
	}
	if (n == -ENOENT && access(ZONE_DIRECTORY "/UTC", F_OK) < 0)
		return -ENODATA;
	if (n == -EISDIR || n == -ENOTDIR)
		return -ENOENT;
	return n < 0 ? n : zone_parse(bytes, (size_t)n, ret);
}
