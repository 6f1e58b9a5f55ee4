/* The connections of a front that is asked over stream sockets: it listens, accepts up to a bound,
 * gathers what comes, closes who is silent for too long. The front itself is a function on bytes.
 * Used by the policy service, SPOE and the others of their kind.
 *
 * Example: a front whose questions are lines ending with LF, answered each by a line:
 *
 * static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
 *	{
 *		const char *end = memchr(bytes, '\n', length);
 *
 *		if (!end)
 *			return length > LINE_MAX ? -EMSGSIZE : 0;
 *		stream_write(stream, "220\n", 4);
 *		*ret_size = (size_t)(end - bytes) + 1;
 *		return 1;
 *	}
 */
#ifndef PENSTOCK_FRONT_STREAMS_H
#define PENSTOCK_FRONT_STREAMS_H

#include <stddef.h>

#include "front/front.h"

struct stream; /* one connection */
struct streams;

struct streams_options {
	const char *section; /* "front.policy": of its options, for messages */
	struct endpoints listen;
	char socket_mode[8]; /* octal, of UNIX sockets; empty: 0660 */
	uint32_t connections_max;
	uint64_t idle_us; /* without a byte from the other side, or while it takes none */
	/* octets that a connection may have sent without a whole message among them */
	size_t input_max;
	size_t state_size; /* of stream_state() */
	/* What came and was not taken yet, at least one octet. 1: a message was dealt with,
	 * `*ret_size` octets long; asked again at once when more has come. 0: more is needed.
	 * Negative: no message of this protocol; it was told in the counts, and the connection is
	 * closed once what was written to it is on its way. */
	int (*bytes)(struct stream *stream, const char *bytes, size_t length, size_t *ret_size);
	void *context; /* stream_context() */
};

/* 0, or -errno with a sentence in `why` (256). `counts` gets errors and faults. */
int streams_open(const struct front_env *env, const struct streams_options *options,
		 struct counts *counts, struct streams **ret_streams, char *why);
/* Ends all connections and removes the files of UNIX sockets. NULL is fine. */
void streams_close(struct streams *streams);

/* state_size octets of the connection's own, zeros at first. */
void *stream_state(struct stream *stream);
void *stream_context(const struct stream *stream);
/* Inside `bytes` only. What the other side does not take is kept, and it is not read from
 * meanwhile: bounded by one answer for each message of input_max. */
void stream_write(struct stream *stream, const void *bytes, size_t length);
/* Nothing more is read; closed when what was written is on its way. Inside `bytes` only. */
void stream_finish(struct stream *stream);

/* The counts of a front that asks the desk, added to `load`: front_ops.poll of all of them. */
void front_poll_counts(const struct config *config, const struct counts *counts, struct load *load);

#endif
