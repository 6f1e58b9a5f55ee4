#include "sensor/mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Copies the field up to a blank, and decodes "\040" and the like. Returns its end; NULL: it does
 * not fit. */
static const char *take_field(const char *at, char *ret, unsigned size)
{
	unsigned n = 0;

	while (*at && *at != ' ' && *at != '\n') {
		char c = *at++;

		if (c == '\\' && at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' &&
		    at[2] >= '0' && at[2] <= '7') {
			c = (char)((at[0] - '0') << 6 | (at[1] - '0') << 3 | (at[2] - '0'));
			at += 3;
		}
		if (n + 1 >= size)
			return NULL;
		ret[n++] = c;
	}
	ret[n] = 0;
	return *at == ' ' ? at + 1 : at;
}

static const char *skip_field(const char *at)
{
	at += strcspn(at, " \n");
	return *at == ' ' ? at + 1 : at;
}

static bool parse_line(const char *line, struct mountinfo *ret)
{
	unsigned id, parent;
	int length = 0;
	const char *at;

	if (sscanf(line, "%u %u %u:%u %n", &id, &parent, &ret->major, &ret->minor, &length) != 4 ||
	    length == 0 || memchr(line, '\n', (size_t)length))
		return false;
	at = skip_field(line + length); /* root of the mount within its file system */
	at = take_field(at, ret->point, sizeof(ret->point));
	if (!at)
		return false;
	/* Options of the mount, then any number of optional fields up to a lone "-". */
	do {
		at = skip_field(at);
		if (!*at || *at == '\n')
			return false;
	} while (at[0] != '-' || at[1] != ' ');
	at = take_field(at + 2, ret->type, sizeof(ret->type));
	if (at)
		at = take_field(at, ret->source, sizeof(ret->source));
	if (at)
		at = take_field(at, ret->options, sizeof(ret->options));
	return at && ret->point[0] == '/' && ret->type[0];
}

int mountinfo_next(const char **cursor, struct mountinfo *ret)
{
	while (**cursor) {
		const char *line = *cursor, *end = strchr(line, '\n');

		*cursor = end ? end + 1 : line + strlen(line);
		if (parse_line(line, ret))
			return 1;
	}
	return 0;
}

static bool lies_in(const char *path, const char *point)
{
	size_t n = strlen(point);

	if (strcmp(point, "/") == 0)
		return path[0] == '/';
	return strncmp(path, point, n) == 0 && (path[n] == 0 || path[n] == '/');
}

int mountinfo_of_path(const char *content, const char *path, struct mountinfo *ret)
{
	struct mountinfo mount;
	size_t best = 0;

	while (mountinfo_next(&content, &mount))
		if (lies_in(path, mount.point) && strlen(mount.point) >= best) {
			best = strlen(mount.point);
			*ret = mount;
		}
	return best ? 0 : -ENOENT;
}

bool mountinfo_option(const struct mountinfo *mount, const char *key, char *ret, unsigned size)
{
	size_t length = strlen(key);

	for (const char *at = mount->options; at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
		unsigned n = 0;

		if (strncmp(at, key, length) != 0 || at[length] != '=')
			continue;
		/* overlay escapes commas and colons of paths by a backslash */
		for (at += length + 1; *at && *at != ','; at++) {
			if (*at == '\\' && at[1])
				at++;
			if (n + 1 >= size)
				return false;
			ret[n++] = *at;
		}
		ret[n] = 0;
		return true;
	}
	return false;
}
