/* The milter protocol (version 2 to 6, which Sendmail 8.12 and later and Postfix 2.3 and later
 * speak), as far as a front needs it that decides at connect. Pure.
 *
 * A frame is a length of 32 bits in network order, a command and its data:
 *
 * 00 00 00 1d  43  "mx.example.net\0" 34 9a2f "192.0.2.7\0"     C: connect, IPv4, port 39471
 *
 * libmilter/mfdef.h of Sendmail names commands and flags. Only the frames of options and connect
 * are read as a whole. The data of all other commands is skipped as it comes, so that a connection
 * needs no more memory than those two frames. */
#ifndef PENSTOCK_FRONT_MILTER_CODEC_H
#define PENSTOCK_FRONT_MILTER_CODEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MILTER_INPUT_MAX 1536u /* octets of a frame that is read as a whole */
/* octets of a frame that is skipped: the largest of Sendmail */
#define MILTER_SKIPPED_MAX (1u << 20)
#define MILTER_ANSWER_MAX 1100u /* octets of the longest answer: a reply with each % doubled */

enum milter_kind {
	MILTER_NOTHING, /* macros, an abort, a part of a frame: needs no answer */
	MILTER_OPTIONS, /* milter_put_options() answers */
	MILTER_CONNECT, /* this one and all below: milter_put_step() answers */
	MILTER_ENVELOPE, /* MAIL or RCPT: so does milter_put_reply() */
	MILTER_STEP, /* any other */
	MILTER_AGAIN, /* the client has gone, another one may come: no answer */
	MILTER_QUIT, /* the server closes: no answer */
};

struct milter_message {
	enum milter_kind kind;
	uint32_t version, steps; /* OPTIONS: what the server offers to leave out */
	struct in6_addr address; /* CONNECT: IPv4 mapped */
	bool address_known;
	bool local; /* CONNECT: a program on the server's host, without a network */
	uint16_t port; /* 0: not said */
};

/* State of one connection; zeros at first. */
struct milter_reader {
	uint32_t rest; /* octets of the current frame that are still to be skipped */
	uint8_t kind; /* of that frame, once they have come */
};

/* 1: `*ret_size` octets were taken; 0: more is needed; -EBADMSG: no frame of this protocol;
 * -EMSGSIZE: too long; -EPROTONOSUPPORT: of a version before 2. */
int milter_parse(struct milter_reader *reader, const uint8_t *bytes, size_t length,
		 struct milter_message *ret_message, size_t *ret_size);

/* The answers, into `buf` of MILTER_ANSWER_MAX octets. Each returns its length. */
/* Says that mail is not changed, and that all steps except connect and MAIL can be left out, if the
 * server is able to. */
size_t milter_put_options(uint8_t *buf, uint32_t version, uint32_t steps);
/* `final`: accept, so that the server asks no more about this client; else: continue. */
size_t milter_put_step(uint8_t *buf, bool final);
/* `text` is "451 4.3.2 NAME SENTENCE". */
size_t milter_put_reply(uint8_t *buf, const char *text);

#endif
