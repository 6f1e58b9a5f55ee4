#include "penstockctl/wrap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_MIN 20
#define LINE_MAX_BYTES 16384

struct wrap {
	int fd;
	unsigned width;
	size_t length; /* of the line that has not ended yet */
	char line[LINE_MAX_BYTES];
};

static void put(const struct wrap *w, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(w->fd, bytes, length);

		if (n <= 0)
			return;
		bytes += n;
		length -= (size_t)n;
	}
}

/* Where to break: after the last blank that fits. A word longer than a line is cut. */
static size_t fitting(const char *text, size_t length, size_t room)
{
	if (length <= room)
		return length;
	for (size_t at = room; at > room / 3; at--)
		if (text[at] == ' ')
			return at;
	return room;
}

static void put_line(struct wrap *w, bool end)
{
	const char *at = w->line;
	size_t left = w->length, indent = 0, room = w->width;
	char blanks[64];

	while (indent < left && at[indent] == ' ')
		indent++;
	indent = indent + 4 < w->width / 2 && indent + 4 < sizeof(blanks) ? indent + 4 : 0;
	memset(blanks, ' ', sizeof(blanks));
	for (;;) {
		size_t n = fitting(at, left, room), shown = n;

		while (shown && n < left && at[shown - 1] == ' ')
			shown--;
		put(w, at, shown);
		at += n;
		left -= n;
		if (!left)
			break;
		for (; left && *at == ' '; left--)
			at++;
		put(w, "\n", 1);
		put(w, blanks, left ? indent : 0);
		room = w->width - indent;
	}
	if (end)
		put(w, "\n", 1);
	w->length = 0;
}

static ssize_t on_write(void *cookie, const char *bytes, size_t size)
{
	struct wrap *w = cookie;

	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			put_line(w, true);
		else if (w->length < sizeof(w->line))
			w->line[w->length++] = bytes[i];
	}
	return (ssize_t)size;
}

static int on_close(void *cookie)
{
	struct wrap *w = cookie;

	if (w->length)
		put_line(w, false);
	free(w);
	return 0;
}

/* Opens a stream that breaks lines at `width` columns (20 at least). It writes them to descriptor
 * `fd` when they end or when it is flushed. NULL: out of memory. */
static FILE *wrap_open(int fd, unsigned width)
{
	struct wrap *w = calloc(1, sizeof(*w));
	FILE *file =
		w ? fopencookie(w, "w",
				(cookie_io_functions_t){ .write = on_write, .close = on_close })
		  : NULL;

	if (!file) {
		free(w);
		return NULL;
	}
	w->fd = fd;
	w->width = width < WIDTH_MIN ? WIDTH_MIN : width;
	setvbuf(file, NULL, _IOLBF, 0);
	return file;
}

static void replace(FILE **stream, int fd)
{
	struct winsize size;
	FILE *wrapped;

	if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return;
	wrapped = wrap_open(fd, size.ws_col);
	if (wrapped)
		*stream = wrapped;
}

void wrap_terminals(void)
{
	replace(&stdout, STDOUT_FILENO);
	replace(&stderr, STDERR_FILENO);
}
