#include "sensor/procparse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/readfile.h"

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

/* No machine's CPUs can have counted so many hundredths of a second: the counter is below zero, or
 * it is the idle time of 8e18 that lxcfs may show. */
#define CPU_MAX (1ull << 53)

int procparse_cpu(const char *content, struct procparse_cpu *ret)
{
	/* user nice system idle iowait irq softirq steal; guest is in user already (proc(5)) */
	unsigned long long v[8] = { 0 };
	int n = sscanf(content, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
		       &v[3], &v[4], &v[5], &v[6], &v[7]);

	if (n < 4)
		return -EINVAL;
	for (int i = 0; i < n; i++)
		if (v[i] > CPU_MAX)
			return -EINVAL;
	ret->all = v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7];
	ret->idle = v[3] + v[4];
	ret->steal = v[7];
	return 0;
}

#define MEMORY_MIN_KIB (16 * 1024)

int procparse_meminfo(const char *content, uint64_t *ret_all, uint64_t *ret_available)
{
	uint64_t all, available;
	int r = readfile_field_u64(content, "MemTotal", &all);

	if (r == 0)
		r = readfile_field_u64(content, "MemAvailable", &available);
	if (r < 0)
		return r;
	if (all < MEMORY_MIN_KIB || all > UINT64_MAX / 1024)
		return -EINVAL;
	*ret_all = all * 1024;
	*ret_available = (available > all ? all : available) * 1024;
	return 0;
}

/* Documentation/admin-guide/iostats.rst. After the name: reads, merged, sectors of 512 bytes, ms;
 * the same for writes; in flight, ms with work, weighted ms; four fields of discards; flushes and
 * their ms. */
#define DISK_FIELDS 17
#define DISK_FIELDS_MIN 10

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
		if (parse_numbers(line + rest, v, DISK_FIELDS) < DISK_FIELDS_MIN)
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

	for (size_t i = 0; i < ARRAY_SIZE(not_disks); i++)
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

int procparse_cpu_used(const char *content, bool v1, uint64_t *ret_us)
{
	unsigned long long ns;
	char *end;

	if (!v1)
		return readfile_field_u64(content, "usage_usec", ret_us);
	if (!isdigit((unsigned char)content[0]))
		return -EINVAL;
	errno = 0;
	ns = strtoull(content, &end, 10);
	if (errno || (*end && *end != '\n'))
		return -EINVAL;
	*ret_us = ns / 1000;
	return 0;
}

int procparse_io_stat(const char *content, struct procparse_io *ret)
{
	static const struct {
		const char *key;
		size_t length;
		bool bytes;
	} keys[] = { { "rbytes=", 7, true },
		     { "wbytes=", 7, true },
		     { "rios=", 5, false },
		     { "wios=", 5, false } };

	memset(ret, 0, sizeof(*ret));
	for (const char *word = content; word; word = strpbrk(word, " \n")) {
		word += strspn(word, " \n");
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			if (strncmp(word, keys[i].key, keys[i].length) != 0)
				continue;
			if (keys[i].bytes)
				ret->bytes += strtoull(word + keys[i].length, NULL, 10);
			else
				ret->ios += strtoull(word + keys[i].length, NULL, 10);
		}
	}
	return 0;
}

int procparse_blkio(const char *content, uint64_t *ret_sum)
{
	uint64_t sum = 0;

	for (const char *line = content; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		unsigned major, minor;
		unsigned long long value;
		char what[8];

		if (sscanf(line, "%u:%u %7s %llu", &major, &minor, what, &value) == 4 &&
		    (strcmp(what, "Read") == 0 || strcmp(what, "Write") == 0))
			sum += value;
	}
	*ret_sum = sum;
	return 0;
}

int procparse_softnet(const char *content, uint64_t *ret_dropped, uint64_t *ret_squeezed)
{
	uint64_t dropped = 0, squeezed = 0;
	unsigned lines = 0;

	for (const char *line = content; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		unsigned processed, d, q;

		if (sscanf(line, "%8x %8x %8x", &processed, &d, &q) != 3)
			continue;
		dropped += d;
		squeezed += q;
		lines++;
	}
	if (!lines)
		return -EINVAL;
	*ret_dropped = dropped;
	*ret_squeezed = squeezed;
	return 0;
}

/* The next word of a line; where the line ends: NULL. */
static const char *next_word(const char *at, size_t *ret_length)
{
	at += strspn(at, " ");
	*ret_length = strcspn(at, " \n");
	return at;
}

int procparse_netstat(const char *content, const char *group, const char *name, uint64_t *ret_value)
{
	size_t length = strlen(group), want = strlen(name);

	/* Two lines each: names, then values, both with the group in front. */
	for (const char *line = content; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *values = strchr(line, '\n'), *n, *v;
		size_t name_length, value_length;

		if (strncmp(line, group, length) != 0 || line[length] != ':' || !values ||
		    strncmp(values + 1, group, length) != 0 || values[1 + length] != ':')
			continue;
		n = next_word(line + length + 1, &name_length);
		v = next_word(values + 1 + length + 1, &value_length);
		while (name_length && value_length) {
			if (name_length == want && strncmp(n, name, want) == 0) {
				if (!isdigit((unsigned char)*v))
					return -ENOENT;
				*ret_value = strtoull(v, NULL, 10);
				return 0;
			}
			n = next_word(n + name_length, &name_length);
			v = next_word(v + value_length, &value_length);
		}
		return -ENOENT;
	}
	return -ENOENT;
}
