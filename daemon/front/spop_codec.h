/* SPOP, the protocol in which HAProxy asks its agents (doc/SPOE.txt in HAProxy's sources, version
 * 2.0). Pure.
 *
 * Frame: u32 length in network order, u8 type, u32 flags, varint stream, varint frame, payload.
 * HAProxy 2.6 to 3.0 announce fragmentation, pipelining and async; 3.1 and later (`mode spop`) have
 * only a part of these. This agent agrees to pipelining and to whole frames; HAProxy then sends no
 * others. */
#ifndef PENSTOCK_FRONT_SPOP_CODEC_H
#define PENSTOCK_FRONT_SPOP_CODEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* octets of a frame, without its length: HAProxy's tune.bufsize less 4 */
#define SPOP_FRAME_MAX 16380u
#define SPOP_FRAME_MIN 256u /* HAProxy refuses less */
#define SPOP_ANSWER_MAX 1024u /* octets of the longest answer */

enum spop_kind { SPOP_HELLO, SPOP_DISCONNECT, SPOP_NOTIFY };
/* What an AGENT-DISCONNECT says, by the protocol's own numbers. */
enum spop_status {
	SPOP_OK = 0,
	SPOP_TOO_BIG = 3,
	SPOP_INVALID = 4,
	SPOP_NO_VERSION = 5,
	SPOP_NO_FRAME_SIZE = 6,
	SPOP_BAD_VERSION = 8,
	SPOP_BAD_FRAME_SIZE = 9,
	SPOP_FRAGMENTED = 10,
};

struct spop_request {
	enum spop_kind kind;
	/* HELLO */
	uint32_t frame_max; /* frame size that both sides can handle */
	bool health_check; /* HAProxy wants the answer only, and the connection closed */
	/* NOTIFY */
	uint64_t stream, frame; /* go back with the answer */
	struct in6_addr address; /* argument `src`; IPv4 mapped */
	bool address_known;
};

/* 1: a frame, *ret_size octets of it; 0: more is needed; negative: minus a spop_status, and the
 * connection has to be closed after spop_put_disconnect(). */
int spop_parse(const uint8_t *bytes, size_t length, struct spop_request *ret_request,
	       size_t *ret_size);

/* The answers, into `buf` of SPOP_ANSWER_MAX octets. Each returns its length. */
size_t spop_put_hello(uint8_t *buf, uint32_t frame_max);
/* `reply` NULL: no opinion, which sets no variable. Else sess.PREFIX.defer = true and
 * sess.PREFIX.reply = reply (at most 512). */
size_t spop_put_ack(uint8_t *buf, uint64_t stream, uint64_t frame, const char *reply);
size_t spop_put_disconnect(uint8_t *buf, enum spop_status status);

#endif
