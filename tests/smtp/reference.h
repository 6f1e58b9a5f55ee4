/* What a server owes, as smtp_track.h says it, the slow way: it keeps what it has not understood
 * yet, looks at it again after each octet, and compares strings. For tests only. */
#ifndef PENSTOCK_TESTS_SMTP_REFERENCE_H
#define PENSTOCK_TESTS_SMTP_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/smtp_track.h"

struct bytes {
	char *at;
	size_t length, room;
};

struct reference {
	struct bytes input; /* of the client, not yet understood */
	struct bytes message; /* the text of the message so far */
	struct bytes line; /* of the server */
	struct bytes record[2]; /* TLS: client, server */
	struct bytes types[2]; /* of the records so far */
	size_t early; /* of `input`: came before the answer that says what it is */
	enum { LINES, TEXT, OCTETS, TLS } mode;
	const char *pending; /* the command whose answer is awaited */
	uint64_t octets;
	unsigned owed, turns, jobs;
	bool greeting, greeted, turned_away, closing, auth, spoke, octets_answered, due,
		no_records[2];
	bool busy, stuck, finished;
	uint64_t since_us, server_us, client_us, due_us;
};

static inline void bytes_add(struct bytes *b, char c)
{
	if (b->length == b->room) {
		b->room = b->room ? 2 * b->room : 64;
		b->at = realloc(b->at, b->room);
		if (!b->at)
			abort();
	}
	b->at[b->length++] = c;
}

static inline void bytes_drop(struct bytes *b, size_t n)
{
	memmove(b->at, b->at + n, b->length - n);
	b->length -= n;
}

static inline bool bytes_end(const struct bytes *b, const char *text)
{
	size_t n = strlen(text);

	return b->length >= n && memcmp(b->at + b->length - n, text, n) == 0;
}

static inline void reference_turn(struct reference *r, uint64_t us)
{
	if (!r->busy && !r->stuck) {
		r->busy = true;
		r->since_us = us;
	}
}

static inline void reference_answered(struct reference *r, uint64_t us)
{
	if (r->busy)
		r->server_us += us - r->since_us;
	r->busy = r->stuck = false;
	if (!r->turned_away && ++r->turns % SMTP_TRACK_TURNS_PER_JOB == 0)
		r->jobs++;
}

static inline void reference_owe(struct reference *r, uint64_t us)
{
	if (r->closing)
		return;
	r->owed++;
	r->spoke = true;
	if (r->greeted)
		reference_turn(r, us);
}

/* The size of "BDAT 123 LAST"; false: it has none. */
static inline bool reference_size(const char *text, uint64_t *ret)
{
	size_t digits;

	text += strspn(text, " \t\r");
	digits = strspn(text, "0123456789");
	if (!digits || (text[digits] && !strchr(" \t\r", text[digits])))
		return false;
	*ret = 0;
	for (size_t i = 0; i < digits; i++) {
		if (*ret >= UINT64_MAX / 16)
			*ret = UINT64_MAX;
		else
			*ret = *ret * 10 + (uint64_t)(text[i] - '0');
	}
	return true;
}

static inline void reference_command(struct reference *r, char *line, uint64_t us)
{
	static const char *const waits[] = { "DATA", "STARTTLS", "AUTH" };
	char *verb = line + strspn(line, " \t\r"), *rest = verb + strcspn(verb, " \t\r");
	char *argument = *rest ? rest + 1 : rest;

	*rest = 0;
	if (strcasecmp(verb, "BDAT") == 0 && reference_size(argument, &r->octets) && r->octets) {
		r->mode = OCTETS;
		r->octets_answered = false;
		r->spoke |= !r->closing;
		return;
	}
	reference_owe(r, us);
	for (unsigned i = 0; i < 3 && !r->closing; i++)
		if (strcasecmp(verb, waits[i]) == 0)
			r->pending = waits[i];
}

/* Whether a line was there. */
static inline bool reference_line(struct reference *r, uint64_t us)
{
	char *lf =
		r->pending || !r->input.length ? NULL : memchr(r->input.at, '\n', r->input.length);
	size_t n;
	char *line;

	if (!lf)
		return false;
	n = (size_t)(lf - r->input.at);
	line = malloc(n + 1);
	if (!line)
		abort();
	for (size_t i = 0; i < n; i++)
		line[i] = r->input.at[i] ? r->input.at[i] : '\1'; /* NUL is any character */
	line[n] = 0;
	bytes_drop(&r->input, n + 1);
	if (r->early > n) {
		r->early -= n + 1;
		reference_owe(r, us);
	} else if (r->auth) {
		r->early = 0;
		r->auth = false;
		reference_owe(r, us);
	} else {
		r->early = 0;
		reference_command(r, line, us);
	}
	free(line);
	return true;
}

static inline bool reference_octet(struct reference *r, uint64_t us)
{
	char c;

	if (!r->input.length)
		return false;
	c = r->input.at[0];
	bytes_drop(&r->input, 1);
	r->early -= r->early > 0;
	if (r->mode == OCTETS) {
		if (--r->octets)
			return true;
		r->mode = LINES;
		if (!r->octets_answered)
			reference_owe(r, us);
		return true;
	}
	bytes_add(&r->message, c);
	if (bytes_end(&r->message, "\r\n.\r\n")) {
		r->mode = LINES;
		reference_owe(r, us);
	}
	return true;
}

/* A whole record: its type; 0: not yet; -1: this is none. */
static inline int reference_record(struct bytes *b)
{
	const unsigned char *h = (const unsigned char *)b->at;
	unsigned length;
	int type;

	if (b->length < 5)
		return 0;
	length = h[3] << 8 | h[4];
	if (h[0] < 20 || h[0] > 23 || h[1] != 3 || length > 18432)
		return -1;
	if (b->length < 5 + length)
		return 0;
	type = h[0];
	b->length = 0;
	return type;
}

static inline unsigned reference_records(const struct reference *r, int who, char type)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->types[who].length; i++)
		n += r->types[who].at[i] == type;
	return n;
}

static inline void reference_due(struct reference *r, uint64_t us)
{
	if (!r->due)
		r->due_us = us;
	r->due = r->spoke = true;
}

static inline void reference_tls_client(struct reference *r, uint64_t us)
{
	bool tls13, finished;
	int type;

	while (r->input.length) {
		r->busy = false;
		r->client_us = us;
		bytes_add(&r->record[0], r->input.at[0]);
		bytes_drop(&r->input, 1);
		type = r->no_records[0] ? -1 : reference_record(&r->record[0]);
		if (type < 0) {
			r->no_records[0] = true;
			reference_due(r, us);
		}
		if (type <= 0)
			continue;
		/* What the server's first protected record met. */
		tls13 = r->finished;
		finished = tls13 && type == 23 && !reference_records(r, 0, 23);
		bytes_add(&r->types[0], (char)type);
		if (type != 20 && type != 21 && !finished)
			reference_due(r, us);
	}
}

static inline void reference_tls_server(struct reference *r, char c, uint64_t us)
{
	int type;

	bytes_add(&r->record[1], c);
	type = r->no_records[1] ? -1 : reference_record(&r->record[1]);
	if (type == 0)
		return;
	r->no_records[1] |= type < 0;
	if (type == 23 && !reference_records(r, 1, 23) && reference_records(r, 0, 22) == 1 &&
	    !reference_records(r, 0, 20) && !reference_records(r, 0, 23))
		r->finished = true;
	if (type > 0)
		bytes_add(&r->types[1], (char)type);
	if (!r->busy && !r->stuck && r->due) {
		r->busy = true;
		r->since_us = r->client_us;
	}
	if (r->busy || r->stuck)
		reference_answered(r, us);
	r->due = false;
}

static inline void reference_understand(struct reference *r, uint64_t us)
{
	for (bool more = true; more;) {
		if (r->mode == TLS) {
			reference_tls_client(r, us);
			return;
		}
		more = r->mode == LINES ? reference_line(r, us) : reference_octet(r, us);
	}
}

/* The answer that the server's line ends. */
static inline void reference_answer(struct reference *r, int code, uint64_t us)
{
	bool asked = r->owed > 0;

	if (!r->greeting) {
		r->greeting = true;
		asked = false;
	} else if (asked) {
		r->owed--;
	} else if (r->mode == OCTETS) {
		r->octets_answered = true;
	} else if (r->mode == TEXT &&
		   (bytes_end(&r->message, "\n.\n") || bytes_end(&r->message, "\n.\r\n"))) {
		r->mode = LINES;
		r->busy = true;
		r->since_us = r->client_us;
		reference_answered(r, us);
	}
	r->closing |= code == 221 || code == 421;
	if (r->closing || (asked && code == 354 && r->mode == LINES))
		r->owed = 0;
	if (r->owed || !(asked || r->busy || r->stuck))
		return;
	reference_answered(r, us);
	if (r->closing || r->mode != LINES)
		return;
	if (code == 220 && r->pending && strcmp(r->pending, "STARTTLS") == 0) {
		r->mode = TLS;
		r->input.length = 0;
		r->pending = NULL;
		return;
	}
	if (code == 354) {
		r->mode = TEXT;
		r->message.length = 0;
		bytes_add(&r->message, '\r');
		bytes_add(&r->message, '\n');
		if (!r->pending || strcmp(r->pending, "DATA") != 0)
			r->input.length = 0; /* half a line, of which nothing is left */
	}
	r->early = r->pending ? r->input.length : 0;
	r->auth = code == 334 && !(r->early && memchr(r->input.at, '\n', r->early));
	r->pending = NULL;
	reference_understand(r, us);
}

static inline void reference_begin(struct reference *r, uint64_t us, bool tls)
{
	memset(r, 0, sizeof(*r));
	if (tls)
		r->mode = TLS;
	else
		reference_turn(r, us);
}

static inline void reference_client(struct reference *r, char c, uint64_t us)
{
	r->client_us = us;
	bytes_add(&r->input, c);
	reference_understand(r, us);
}

static inline void reference_server(struct reference *r, char c, uint64_t us)
{
	int code = 0;

	if (!r->greeted) {
		r->greeted = true;
		if (r->mode != TLS) {
			r->turned_away = c == '4' || c == '5';
			reference_answered(r, us);
			if (r->owed)
				reference_turn(r, us);
		}
	}
	if (r->mode == TLS) {
		reference_tls_server(r, c, us);
		return;
	}
	bytes_add(&r->line, c);
	if (c != '\n')
		return;
	if (r->line.length > 4 && r->line.at[3] == '-') {
		r->line.length = 0;
		return;
	}
	for (size_t i = 0; i < 3 && i + 1 < r->line.length; i++)
		code = code * 10 + (r->line.at[i] - '0');
	r->line.length = 0;
	reference_answer(r, code, us);
}

static inline void reference_tick(struct reference *r, uint64_t us, uint64_t stuck_us)
{
	if (r->mode == TLS && r->due && (r->no_records[0] || !r->record[0].length) && !r->busy &&
	    !r->stuck && us >= r->client_us + SMTP_TRACK_QUIET_US) {
		r->busy = true;
		r->since_us = r->client_us;
	}
	if (r->busy && us >= (r->mode == TLS && r->due ? r->due_us : r->since_us) + stuck_us) {
		r->server_us += us - r->since_us;
		r->busy = false;
		r->stuck = true;
	}
}

static inline void reference_end(struct reference *r, uint64_t us, bool in_order)
{
	if (r->busy)
		r->server_us += us - r->since_us;
	r->busy = r->stuck = false;
	r->jobs += in_order && !r->turned_away && r->greeted && r->spoke && r->turns > 1;
}

static inline void reference_free(struct reference *r)
{
	free(r->input.at);
	free(r->message.at);
	free(r->line.at);
	for (int i = 0; i < 2; i++) {
		free(r->record[i].at);
		free(r->types[i].at);
	}
}

#endif
