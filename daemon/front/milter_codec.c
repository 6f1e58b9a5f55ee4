#include "front/milter_codec.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "core/reply.h"

#define HEAD 5u /* length and command */
#define VERSION_MIN 2u
#define VERSION_MAX 6u
#define OPTIONS_SIZE 12u

/* Steps that the server may leave out: helo, rcpt, body, headers, end of headers, unknown commands,
 * data. Connect (1) and mail (4) are needed. */
#define STEPS_UNWANTED (0x02u | 0x08u | 0x10u | 0x20u | 0x40u | 0x100u | 0x200u)

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void put32(uint8_t *buf, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		buf[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* MILTER_QUIT + 1: there is no such command. */
static int kind_of(uint8_t command)
{
	switch (command) {
	case 'D': /* macros */
	case 'A': /* the message is given up, the client stays */
		return MILTER_NOTHING;
	case 'O':
		return MILTER_OPTIONS;
	case 'C':
		return MILTER_CONNECT;
	case 'M':
	case 'R':
		return MILTER_ENVELOPE;
	case 'H': /* helo */
	case 'T': /* data */
	case 'U': /* unknown */
	case 'L': /* a header */
	case 'N': /* end of headers */
	case 'B': /* body */
	case 'E': /* end of body */
		return MILTER_STEP;
	case 'K':
		return MILTER_AGAIN;
	case 'Q':
		return MILTER_QUIT;
	default:
		return MILTER_QUIT + 1;
	}
}

static int read_options(const uint8_t *data, uint32_t size, struct milter_message *m)
{
	if (size < OPTIONS_SIZE)
		return -EBADMSG;
	m->version = get32(data);
	m->steps = get32(data + 8);
	return m->version < VERSION_MIN ? -EPROTONOSUPPORT : 1;
}

/* NAME NUL FAMILY, and for 4, 6 and L: PORT ADDRESS NUL. Sendmail writes "IPv6:" before the
 * addresses of that family. */
static int read_connect(const uint8_t *data, uint32_t size, struct milter_message *m)
{
	const uint8_t *end = data + size, *at = memchr(data, 0, size);
	const char *address;
	char family;

	if (!at || at + 1 == end)
		return -EBADMSG;
	family = (char)at[1];
	at += 2;
	m->local = family == 'L' || family == 'U';
	if (family == 'U')
		return at == end ? 1 : -EBADMSG;
	if (family != '4' && family != '6' && family != 'L')
		return -EBADMSG;
	if (end - at < 3 || end[-1] != 0)
		return -EBADMSG;
	m->port = (uint16_t)(at[0] << 8 | at[1]);
	address = (const char *)at + 2;
	if (family == '6' && strncasecmp(address, "IPv6:", 5) == 0)
		address += 5;
	m->address_known = family != 'L' && address_parse(address, &m->address) == 0;
	return 1;
}

/* Skips the next octets of a frame of which only the command matters. */
static int pass_over(struct milter_reader *r, size_t length, struct milter_message *m,
		     size_t *ret_size)
{
	size_t n = length < r->rest ? length : r->rest;

	r->rest -= (uint32_t)n;
	m->kind = r->rest ? MILTER_NOTHING : (enum milter_kind)r->kind;
	*ret_size = n;
	return 1;
}

int milter_parse(struct milter_reader *reader, const uint8_t *bytes, size_t length,
		 struct milter_message *ret_message, size_t *ret_size)
{
	struct milter_message m = { .kind = MILTER_NOTHING };
	uint32_t size;
	int kind, r = 1;

	if (length == 0)
		return 0;
	if (reader->rest) {
		r = pass_over(reader, length, &m, ret_size);
		*ret_message = m;
		return r;
	}
	if (bytes[0] != 0) /* most likely text */
		return -EBADMSG;
	if (length < HEAD)
		return 0;
	size = get32(bytes);
	kind = kind_of(bytes[4]);
	if (size == 0 || kind > MILTER_QUIT)
		return -EBADMSG;
	size--;
	if (kind == MILTER_OPTIONS || kind == MILTER_CONNECT) {
		if (size > MILTER_INPUT_MAX - HEAD)
			return -EMSGSIZE;
		if (length < HEAD + size)
			return 0;
		m.kind = (enum milter_kind)kind;
		r = kind == MILTER_OPTIONS ? read_options(bytes + HEAD, size, &m)
					   : read_connect(bytes + HEAD, size, &m);
		if (r < 0)
			return r;
		*ret_size = HEAD + size;
	} else {
		if (size > MILTER_SKIPPED_MAX)
			return -EMSGSIZE;
		*reader = (struct milter_reader){ .rest = size, .kind = (uint8_t)kind };
		m.kind = size ? MILTER_NOTHING : (enum milter_kind)kind;
		*ret_size = HEAD;
	}
	*ret_message = m;
	return r;
}

size_t milter_put_options(uint8_t *buf, uint32_t version, uint32_t steps)
{
	put32(buf, OPTIONS_SIZE + 1);
	buf[4] = 'O';
	put32(buf + HEAD, version < VERSION_MAX ? version : VERSION_MAX);
	put32(buf + HEAD + 4, 0); /* the filter does not change mail */
	put32(buf + HEAD + 8, steps & STEPS_UNWANTED);
	return HEAD + OPTIONS_SIZE;
}

size_t milter_put_step(uint8_t *buf, bool final)
{
	put32(buf, 1);
	buf[4] = final ? 'a' : 'c';
	return HEAD;
}

size_t milter_put_reply(uint8_t *buf, const char *text)
{
	size_t n = HEAD;

	/* The server takes it as a format, so each % is doubled. */
	for (size_t i = 0; i < REPLY_MAX && text[i] && n < MILTER_ANSWER_MAX - 2; i++) {
		buf[n++] = (uint8_t)text[i];
		if (text[i] == '%')
			buf[n++] = '%';
	}
	buf[n++] = 0;
	buf[4] = 'y';
	put32(buf, (uint32_t)(n - HEAD + 1));
	return n;
}
