#include "front/event_reader.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int read_head(const struct event_reader *reader, struct events_head *ret)
{
	return pread(reader->fd, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret) ? 0 : -1;
}

void event_reader_open(struct event_reader *reader, int dir_fd, const char *name, bool from_now)
{
	struct events_head head;
	char path[128];

	*reader = (struct event_reader){ .fd = -1 };
	if ((size_t)snprintf(path, sizeof(path), "%s.events", name) < sizeof(path))
		reader->fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (from_now && reader->fd >= 0 && read_head(reader, &head) == 0)
		reader->tail = head.head;
}

void event_reader_close(struct event_reader *reader)
{
	if (reader->fd >= 0)
		close(reader->fd);
	reader->fd = -1;
}

void event_reader_remove(struct event_reader *reader, int dir_fd, const char *name)
{
	char path[128];

	if (reader->fd >= 0 &&
	    (size_t)snprintf(path, sizeof(path), "%s.events", name) < sizeof(path))
		unlinkat(dir_fd, path, 0);
	event_reader_close(reader);
}

static bool read_events(const struct event_reader *reader, uint32_t from, uint32_t count,
			struct source_event *ret)
{
	size_t size = count * sizeof(*ret);
	off_t at = (off_t)(offsetof(struct events, ring) + from * sizeof(*ret));

	return count == 0 || pread(reader->fd, ret, size, at) == (ssize_t)size;
}

unsigned event_reader_take(struct event_reader *reader, struct source_event *ret, unsigned most)
{
	struct events_head head;
	struct events_span span;
	uint32_t first, torn;

	if (reader->fd < 0 || read_head(reader, &head) < 0 ||
	    events_span(&head, reader->tail, most, &span) < 0)
		return 0;
	if (head.head < reader->tail) {
		reader->tail = head.head;
		return 0;
	}
	first = EVENTS_RING - span.from < span.count ? EVENTS_RING - span.from : span.count;
	if (!read_events(reader, span.from, first, ret) ||
	    !read_events(reader, 0, span.count - first, ret + first) ||
	    read_head(reader, &head) < 0)
		return 0;
	torn = events_torn(&head, reader->tail, &span);
	reader->tail += span.lost + span.count;
	reader->lost += span.lost + torn;
	memmove(ret, ret + torn, (span.count - torn) * sizeof(*ret));
	return span.count - torn;
}
