/* Reads the events of one front that is a process of its own: RUN_DIR/counts/NAME.events, see
 * core/events.h. */
#ifndef PENSTOCK_FRONT_EVENT_READER_H
#define PENSTOCK_FRONT_EVENT_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/events.h"

struct event_reader {
	int fd; /* -1: there is none */
	uint64_t tail;
	uint64_t lost; /* events overwritten before they were read */
};

/* `dir_fd` is the directory, `name` the front's. No file is no error: then there is nothing to
 * read. `from_now`: skip events that are in the ring already; an earlier reader has had them. */
void event_reader_open(struct event_reader *reader, int dir_fd, const char *name, bool from_now);
void event_reader_close(struct event_reader *reader);
/* The same for a front that is gone: removes its file, too. */
void event_reader_remove(struct event_reader *reader, int dir_fd, const char *name);
/* Copies what is new, at most `most`, into `ret`. Returns how many. */
unsigned event_reader_take(struct event_reader *reader, struct source_event *ret, unsigned most);

#endif
