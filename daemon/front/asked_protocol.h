/* The part of an asked front that runs in the process without privilege: a protocol, as two
 * functions over a pure codec. It asks penstockd, and writes the verdict when that arrives.
 *
 * 	bytes --> on_bytes() --asked_ask()--> penstockd --> on_verdict() --> bytes */
#ifndef PENSTOCK_FRONT_ASKED_PROTOCOL_H
#define PENSTOCK_FRONT_ASKED_PROTOCOL_H

#include "front/asked_wire.h"
#include "front/streams.h"

/* By its mark a protocol recognises its question when the verdict comes. */
struct asked_mark {
	uint64_t a, b;
};

struct asked_protocol {
	/* octets that a connection may have sent without a whole message among them */
	size_t input_max;
	size_t state_size; /* of stream_state() */
	uint64_t idle_us; /* 0: as configured */
	/* Questions of one connection that may be on their way. With 1 no octet is looked at before
	 * the verdict has come. */
	unsigned ahead;
	/* As streams_options.bytes. */
	int (*bytes)(struct stream *stream, const char *bytes, size_t length, size_t *ret_size);
	/* Takes the verdict of the oldest question. `reply` is "451 4.3.2 SENTENCE"; NULL: the
	 * client is admitted. */
	void (*verdict)(struct stream *stream, struct asked_mark mark, const char *reply);
};

#define X(kind, name) extern const struct asked_protocol asked_##name;
ASKED_FRONT_TABLE(X)
#undef X
/* All of them, by kind. */
extern const struct asked_protocol *const asked_protocols[ASKED__COUNT];

/* The client that the mail server asks about. */
struct asked_client {
	struct in6_addr address; /* IPv4 mapped */
	bool address_known;
	uint16_t port; /* 0: not known */
};

/* Call it inside `bytes`, once. If penstockd does not answer, the verdict comes before this
 * returns. */
void asked_ask(struct stream *stream, const struct asked_client *client, struct asked_mark mark);
/* Reports bytes that are no message of the protocol: counted, and logged once a minute. `bytes`:
 * their beginning. */
void asked_complain(struct stream *stream, int error, const char *bytes, size_t length);
/* The settings of its front. */
const struct asked_opening *asked_opening(const struct stream *stream);

#endif
