#include "front/spop_codec.h"

#include <string.h>

#include "base/address.h"

enum type {
	UNSET = 0,
	HELLO = 1,
	DISCONNECT = 2,
	NOTIFY = 3,
	AGENT_HELLO = 101,
	AGENT_DISCONNECT = 102,
	ACK = 103
};
enum data {
	IS_NULL,
	IS_BOOL,
	IS_INT32,
	IS_UINT32,
	IS_INT64,
	IS_UINT64,
	IS_IPV4,
	IS_IPV6,
	IS_STRING,
	IS_BINARY
};
#define DATA_TYPE 0x0f
#define DATA_TRUE 0x10
#define FLAG_FIN 1u
#define FLAG_ABORT 2u
#define ACTION_SET_VAR 1
#define SCOPE_SESSION 1
#define REPLY_OCTETS 512

/* ---- what comes ----------------------------------------------------------------------------- */

/* The rest of a frame. `bad`: a read went beyond it; every later read returns nothing. */
struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static const uint8_t *take(struct reader *r, uint64_t count)
{
	const uint8_t *here = r->at;

	if (r->bad || count > (uint64_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	r->at += count;
	return here;
}

static uint8_t take_u8(struct reader *r)
{
	const uint8_t *p = take(r, 1);

	return p ? *p : 0;
}

static uint32_t take_u32(struct reader *r)
{
	const uint8_t *p = take(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

/* A number below 240 takes one octet. A larger one has 4 bits in the first octet and 7 in each
 * further one, the lowest bits first. */
static uint64_t take_varint(struct reader *r)
{
	uint64_t value = take_u8(r);
	unsigned shift = 4;
	uint8_t octet = 0x80;

	if (value < 240)
		return value;
	while (octet & 0x80 && !r->bad) {
		if (shift > 60) {
			r->bad = true;
			break;
		}
		octet = take_u8(r);
		value += (uint64_t)octet << shift;
		shift += 7;
	}
	return value;
}

struct span {
	const uint8_t *bytes;
	size_t length;
};

static struct span take_string(struct reader *r)
{
	uint64_t length = take_varint(r);
	const uint8_t *bytes = take(r, length);

	return (struct span){ bytes, bytes ? (size_t)length : 0 };
}

static bool is(struct span s, const char *text)
{
	return s.length == strlen(text) && memcmp(s.bytes, text, s.length) == 0;
}

struct value {
	enum data type;
	bool truth;
	uint64_t number;
	struct span bytes; /* of addresses, strings, binaries */
};

static struct value take_value(struct reader *r)
{
	uint8_t first = take_u8(r);
	struct value v = { .type = first & DATA_TYPE, .truth = first & DATA_TRUE };
	size_t size = v.type == IS_IPV4 ? 4 : 16;

	switch (v.type) {
	case IS_NULL:
	case IS_BOOL:
		break;
	case IS_INT32:
	case IS_UINT32:
	case IS_INT64:
	case IS_UINT64:
		v.number = take_varint(r);
		break;
	case IS_IPV4:
	case IS_IPV6:
		v.bytes = (struct span){ take(r, size), size };
		break;
	case IS_STRING:
	case IS_BINARY:
		v.bytes = take_string(r);
		break;
	default:
		r->bad = true;
	}
	return v;
}

/* Versions are a list such as "1.0, 2.0"; any 2.x will do. */
static bool speaks_2(struct span versions)
{
	bool begins = true;

	for (size_t i = 0; i < versions.length; i++) {
		uint8_t c = versions.bytes[i];

		if (begins && c == '2' && i + 1 < versions.length && versions.bytes[i + 1] == '.')
			return true;
		begins = c == ',' || c == ' ';
	}
	return false;
}

static enum spop_status take_hello(struct reader *r, struct spop_request *q)
{
	bool version = false, understood = false, sized = false;
	uint64_t frame_max = 0;

	while (r->at < r->end && !r->bad) {
		struct span name = take_string(r);
		struct value v = take_value(r);

		if (r->bad)
			break;
		if (is(name, "supported-versions") && v.type == IS_STRING) {
			version = true;
			understood = speaks_2(v.bytes);
		} else if (is(name, "max-frame-size") && v.type == IS_UINT32) {
			sized = true;
			frame_max = v.number;
		} else if (is(name, "healthcheck") && v.type == IS_BOOL) {
			q->health_check = v.truth;
		}
	}
	if (r->bad)
		return SPOP_INVALID;
	if (!version)
		return SPOP_NO_VERSION;
	if (!understood)
		return SPOP_BAD_VERSION;
	if (!sized)
		return SPOP_NO_FRAME_SIZE;
	if (frame_max < SPOP_FRAME_MIN)
		return SPOP_BAD_FRAME_SIZE;
	q->frame_max = (uint32_t)(frame_max < SPOP_FRAME_MAX ? frame_max : SPOP_FRAME_MAX);
	return SPOP_OK;
}

static void take_address(const struct value *v, struct spop_request *q)
{
	memset(&q->address, 0, sizeof(q->address));
	if (v->type == IS_IPV4) {
		address_map_v4(v->bytes.bytes, &q->address);
		q->address_known = true;
	} else if (v->type == IS_IPV6) {
		memcpy(&q->address, v->bytes.bytes, 16);
		q->address_known = true;
	}
}

static enum spop_status take_messages(struct reader *r, struct spop_request *q)
{
	while (r->at < r->end && !r->bad) {
		unsigned arguments;

		take_string(r); /* the administrator chose the message's name */
		arguments = take_u8(r);
		for (unsigned i = 0; i < arguments && !r->bad; i++) {
			struct span name = take_string(r);
			struct value v = take_value(r);

			if (!r->bad && is(name, "src"))
				take_address(&v, q);
		}
	}
	return r->bad ? SPOP_INVALID : SPOP_OK;
}

int spop_parse(const uint8_t *bytes, size_t length, struct spop_request *ret_request,
	       size_t *ret_size)
{
	struct reader r = { bytes, bytes + length, false };
	struct spop_request q = { 0 };
	enum spop_status status = SPOP_OK;
	uint32_t size, flags;
	uint8_t type;

	if (length < 4)
		return 0;
	size = take_u32(&r);
	if (size > SPOP_FRAME_MAX)
		return -SPOP_TOO_BIG;
	if (length - 4 < size)
		return 0;
	r.end = r.at + size;
	type = take_u8(&r);
	flags = take_u32(&r);
	q.stream = take_varint(&r);
	q.frame = take_varint(&r);
	if (r.bad)
		return -SPOP_INVALID;
	if (type == UNSET || !(flags & FLAG_FIN) || flags & FLAG_ABORT)
		return -SPOP_FRAGMENTED;
	if (type == HELLO) {
		q.kind = SPOP_HELLO;
		status = take_hello(&r, &q);
	} else if (type == DISCONNECT) {
		q.kind = SPOP_DISCONNECT; /* the reason does not matter here */
	} else if (type == NOTIFY) {
		q.kind = SPOP_NOTIFY;
		status = take_messages(&r, &q);
	} else {
		status = SPOP_INVALID;
	}
	if (status != SPOP_OK)
		return -(int)status;
	*ret_request = q;
	*ret_size = 4 + size;
	return 1;
}

/* ---- what goes ------------------------------------------------------------------------------ */

static uint8_t *put_u32(uint8_t *p, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(value >> shift);
	return p;
}

static uint8_t *put_varint(uint8_t *p, uint64_t value)
{
	if (value < 240) {
		*p++ = (uint8_t)value;
		return p;
	}
	*p++ = (uint8_t)(value | 240);
	value = (value - 240) >> 4;
	while (value >= 128) {
		*p++ = (uint8_t)(value | 128);
		value = (value - 128) >> 7;
	}
	*p++ = (uint8_t)value;
	return p;
}

static uint8_t *put_string(uint8_t *p, const char *text)
{
	size_t length = strnlen(text, REPLY_OCTETS);

	p = put_varint(p, length);
	memcpy(p, text, length);
	return p + length;
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
	*p++ = IS_STRING;
	return put_string(p, text);
}

static uint8_t *put_number(uint8_t *p, uint32_t value)
{
	*p++ = IS_UINT32;
	return put_varint(p, value);
}

static uint8_t *put_head(uint8_t *buf, enum type type, uint64_t stream, uint64_t frame)
{
	uint8_t *p = buf + 4; /* the length follows */

	*p++ = (uint8_t)type;
	p = put_u32(p, FLAG_FIN);
	return put_varint(put_varint(p, stream), frame);
}

static size_t finish(uint8_t *buf, const uint8_t *end)
{
	put_u32(buf, (uint32_t)(end - buf - 4));
	return (size_t)(end - buf);
}

size_t spop_put_hello(uint8_t *buf, uint32_t frame_max)
{
	uint8_t *p = put_head(buf, AGENT_HELLO, 0, 0);

	p = put_text(put_string(p, "version"), "2.0");
	p = put_number(put_string(p, "max-frame-size"), frame_max);
	p = put_text(put_string(p, "capabilities"), "pipelining");
	return finish(buf, p);
}

static uint8_t *put_variable(uint8_t *p, const char *name)
{
	*p++ = ACTION_SET_VAR;
	*p++ = 3; /* arguments: scope, name, value */
	*p++ = SCOPE_SESSION;
	return put_string(p, name);
}

size_t spop_put_ack(uint8_t *buf, uint64_t stream, uint64_t frame, const char *reply)
{
	uint8_t *p = put_head(buf, ACK, stream, frame);

	if (reply) {
		p = put_variable(p, "defer");
		*p++ = IS_BOOL | DATA_TRUE;
		p = put_text(put_variable(p, "reply"), reply);
	}
	return finish(buf, p);
}

static const char *status_text(enum spop_status status)
{
	switch (status) {
	case SPOP_OK:
		return "normal";
	case SPOP_TOO_BIG:
		return "frame is too big";
	case SPOP_INVALID:
		return "invalid frame received";
	case SPOP_NO_VERSION:
		return "version value not found";
	case SPOP_NO_FRAME_SIZE:
		return "max-frame-size value not found";
	case SPOP_BAD_VERSION:
		return "unsupported version";
	case SPOP_BAD_FRAME_SIZE:
		return "max-frame-size too big or too small";
	case SPOP_FRAGMENTED:
		return "payload fragmentation is not supported";
	}
	return "unknown error";
}

size_t spop_put_disconnect(uint8_t *buf, enum spop_status status)
{
	uint8_t *p = put_head(buf, AGENT_DISCONNECT, 0, 0);

	p = put_number(put_string(p, "status-code"), (uint32_t)status);
	p = put_text(put_string(p, "message"), status_text(status));
	return finish(buf, p);
}
