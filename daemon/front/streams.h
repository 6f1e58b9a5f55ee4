/* The connections of a front that is asked over stream sockets: it accepts up to a limit, collects
 * the bytes that arrive, and closes a connection that is silent for too long. The front itself is a
 * function on bytes. An answer may come later: a stream that is held for it outlives its
 * connection.
 *
 * Example: a front whose questions are lines ending with LF, answered each by a line:
 *
 * static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
 * 	{
 * 		const char *end = memchr(bytes, '\n', length);
 *
 * 		if (!end)
 * 			return length > LINE_MAX ? -EMSGSIZE : 0;
 * 		stream_write(stream, "220\n", 4);
 * 		*ret_size = (size_t)(end - bytes) + 1;
 * 		return 1;
 * 	} */
#ifndef PENSTOCK_FRONT_STREAMS_H
#define PENSTOCK_FRONT_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct stream; /* one connection */
struct streams;

struct streams_options {
	uint32_t connections_max;
	unsigned descriptors; /* so many the process may have; 0: not known */
	/* time without a byte from the other side, or in which it reads nothing */
	uint64_t idle_us;
	/* octets that a connection may have sent without a whole message among them */
	size_t input_max;
	size_t state_size; /* of stream_state() */
	/* answers that may be outstanding before the stream is not read any more */
	unsigned held_max;
	/* Gets the bytes that came and were not taken yet, at least one octet. 1: a message was
	 * handled, `*ret_size` octets long; called again at once if there are more. 0: more is
	 * needed, or the stream is held, and it is called again when the stream is released.
	 * Negative: no message of this protocol; the connection is closed once what was written to
	 * it is sent. */
	int (*bytes)(struct stream *stream, const char *bytes, size_t length, size_t *ret_size);
	/* A connection was closed because there were connections_max. */
	void (*full)(void *context);
	/* A connection was closed because it had the last descriptor. */
	void (*starved)(void *context);
	/* A connection could not be served: memory, or something else. */
	void (*failed)(void *context);
	void *context; /* stream_context() */
};

/* Takes the `count` listening sockets, on failure too. 0 or -errno. */
int streams_open(struct event_base *base, const struct streams_options *options, const int *fds,
		 unsigned count, struct streams **ret_streams);
/* Ends all connections; streams that are held stay until they are released. NULL is fine. */
void streams_close(struct streams *streams);

/* state_size octets that belong to the connection, zeros at first. */
void *stream_state(struct stream *stream);
void *stream_context(const struct stream *stream);
/* Call it inside `bytes`, or while the stream is held. Bytes that the other side does not read are
 * kept, and meanwhile nothing is read from it. The limit is one answer for each message of
 * input_max. */
void stream_write(struct stream *stream, const void *bytes, size_t length);
/* Reads nothing more, and closes when all that was written is sent. Call it inside `bytes`, or
 * while the stream is held. */
void stream_finish(struct stream *stream);
/* An answer comes later: hold the stream until then. Each stream_hold() needs one
 * stream_release(). */
void stream_hold(struct stream *stream);
bool stream_is_held(const struct stream *stream);
/* For a stream that is held: whether its connection still exists and may be written to. */
bool stream_is_open(const struct stream *stream);
void stream_release(struct stream *stream);

#endif
