#include "sensor/procparse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int procparse_psi_some(const char *content, uint64_t *ret_total_us)
{
	const char *total;

	if (strncmp(content, "some ", 5) != 0)
		return -EINVAL;
	total = strstr(content, "total=");
	if (!total || !isdigit((unsigned char)total[6]))
		return -EINVAL;
	*ret_total_us = strtoull(total + 6, NULL, 10);
	return 0;
}

int procparse_cpu(const char *content, struct procparse_cpu *ret)
{
	/* user nice system idle iowait irq softirq steal; guest is in user already (proc(5)) */
	unsigned long long v[8] = { 0 };
	int n = sscanf(content, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
		       &v[3], &v[4], &v[5], &v[6], &v[7]);

	if (n < 4)
		return -EINVAL;
	ret->all = v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7];
	ret->idle = v[3] + v[4];
	ret->steal = v[7];
	return 0;
}

/* Documentation/admin-guide/iostats.rst: after the name reads, merged, sectors of 512 bytes, ms; the same of writes; in flight,
 * ms with work, weighted ms; four of discards; flushes and their ms. */
#define DISK_FIELDS 17
#define DISK_FIELDS_LEAST 10

static unsigned parse_numbers(const char *text, uint64_t *ret, unsigned most)
{
	unsigned n = 0;

	while (n < most) {
		while (*text == ' ')
			text++;
		if (!isdigit((unsigned char)*text))
			break;
		for (ret[n] = 0; isdigit((unsigned char)*text); text++)
			ret[n] = ret[n] * 10 + (uint64_t)(*text - '0');
		n++;
	}
	return n;
}

int procparse_disk(const char **cursor, struct procparse_disk *ret)
{
	while (**cursor) {
		const char *line = *cursor, *end = strchr(line, '\n');
		uint64_t v[DISK_FIELDS] = { 0 };
		int rest = 0;
		char name[32];
		unsigned major, minor;

		*cursor = end ? end + 1 : line + strlen(line);
		if (sscanf(line, "%u %u %31s%n", &major, &minor, name, &rest) < 3 || rest == 0)
			continue;
		if (parse_numbers(line + rest, v, DISK_FIELDS) < DISK_FIELDS_LEAST)
			continue;
		memset(ret, 0, sizeof(*ret));
		memcpy(ret->name, name, sizeof(name));
		ret->major = major;
		ret->minor = minor;
		ret->ios = v[0] + v[4];
		ret->time_ms = v[3] + v[7];
		ret->in_flight = v[8];
		ret->busy_ms = v[9];
		ret->op[0].count = v[0];
		ret->op[0].bytes = v[2] * 512;
		ret->op[0].time_ms = v[3];
		ret->op[1].count = v[4];
		ret->op[1].bytes = v[6] * 512;
		ret->op[1].time_ms = v[7];
		ret->op[2].count = v[15];
		ret->op[2].time_ms = v[16];
		return 1;
	}
	return 0;
}

bool procparse_is_disk(const char *name)
{
	static const char *const not_disks[] = { "loop", "ram", "zram", "fd", "sr", "md", "dm-" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(not_disks) / sizeof(not_disks[0]); i++)
		if (strncmp(name, not_disks[i], strlen(not_disks[i])) == 0)
			return false;
	if (n == 0)
		return false;
	if (strncmp(name, "nvme", 4) == 0 || strncmp(name, "mmcblk", 6) == 0) {
		const char *p = strrchr(name, 'p');

		return !(p && p != name && isdigit((unsigned char)p[-1]) &&
			 isdigit((unsigned char)p[1]));
	}
	return !isdigit((unsigned char)name[n - 1]);
}

int procparse_cgroup(const char *content, const char *controller, char *path, unsigned size)
{
	for (const char *line = content; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *list = strchr(line, ':'), *start, *end, *eol = strchr(line, '\n');
		size_t n;

		if (!list)
			continue;
		end = strchr(list + 1, ':');
		if (!end || (eol && end > eol))
			continue;
		start = list + 1;
		if (!controller) {
			if (end != start)
				continue;
		} else {
			size_t want = strlen(controller);
			bool found = false;

			while (start < end && !found) {
				const char *comma = memchr(start, ',', (size_t)(end - start));
				size_t length = (size_t)((comma ? comma : end) - start);

				found = length == want && strncmp(start, controller, want) == 0;
				start += length + 1;
			}
			if (!found)
				continue;
		}
		n = eol ? (size_t)(eol - end - 1) : strlen(end + 1);
		if (n >= size)
			return -ERANGE;
		memcpy(path, end + 1, n);
		path[n] = 0;
		return 0;
	}
	return -ENOENT;
}
