#include "core/smtp_track.h"

#include <string.h>

#include "core/smtp_track_parts.h"

/* Where the next octet stands in the client's line. */
enum line_at { LINE_START, LINE_VERB, LINE_SPACE, LINE_DIGITS, LINE_REST };

/* Whether the line begins with this word of at most 8 letters. */
static bool verb_is(const struct smtp_track *t, const char *word)
{
	uint64_t verb = 0;
	uint8_t length = 0;

	for (; *word; word++, length++)
		verb = verb << 8 | (unsigned char)*word;
	return t->verb == verb && t->verb_length == length;
}

/* ---- the client's lines --------------------------------------------------------------------- */

static void begin_line(struct smtp_track *t)
{
	t->line_at = LINE_START;
	t->verb = t->argument = 0;
	t->verb_length = 0;
}

static void take_verb(struct smtp_track *t, char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	t->line_at = LINE_VERB;
	if (t->verb_length < 9)
		t->verb_length++;
	t->verb = t->verb_length < 9 ? t->verb << 8 | (unsigned char)c : 0;
}

static void take_digit(struct smtp_track *t, char c)
{
	uint64_t digit = (uint64_t)(c - '0');

	t->line_at = LINE_DIGITS;
	t->argument = t->argument < UINT64_MAX / 16 ? t->argument * 10 + digit : UINT64_MAX;
}

/* Takes an octet of the line other than its LF. */
static void take_octet(struct smtp_track *t, char c)
{
	bool blank = c == ' ' || c == '\t' || c == '\r', digit = c >= '0' && c <= '9';

	switch (t->line_at) {
	case LINE_START:
	case LINE_VERB:
		if (!blank)
			take_verb(t, c);
		else if (t->line_at == LINE_VERB)
			t->line_at = verb_is(t, "BDAT") ? LINE_SPACE : LINE_REST;
		break;
	case LINE_SPACE:
	case LINE_DIGITS:
		if (digit) {
			take_digit(t, c);
		} else if (!blank) {
			t->verb = 0; /* no size: treat it like any other line */
			t->line_at = LINE_REST;
		} else if (t->line_at == LINE_DIGITS) {
			t->line_at = LINE_REST;
		}
		break;
	default:
		break;
	}
}

static void begin_chunk(struct smtp_track *t, uint64_t now_us, struct smtp_track_change *change)
{
	if (!t->argument) {
		smtp_turn_owe(t, 1, now_us, change);
		return;
	}
	t->mode = SMTP_TRACK_CHUNK;
	t->chunk_left = t->argument;
	t->chunk_answered = false;
	t->spoke |= !t->closing;
}

static void await(struct smtp_track *t, enum smtp_track_pending pending)
{
	t->pending = pending;
	t->early = t->early_after = 0;
	t->early_ended = false;
	smtp_text_begin(&t->text);
}

/* Takes the end of a line. */
static void take_line(struct smtp_track *t, uint64_t now_us, struct smtp_track_change *change)
{
	bool sized = t->line_at == LINE_DIGITS || t->line_at == LINE_REST;

	if (t->pending) {
		t->early += t->early < SMTP_OWED_MAX;
		return;
	}
	if (t->auth) {
		t->auth = false;
		smtp_turn_owe(t, 1, now_us, change);
		return;
	}
	if (verb_is(t, "BDAT") && sized) {
		begin_chunk(t, now_us, change);
		return;
	}
	smtp_turn_owe(t, 1, now_us, change);
	if (t->closing)
		return;
	if (verb_is(t, "DATA"))
		await(t, SMTP_TRACK_DATA);
	else if (verb_is(t, "STARTTLS"))
		await(t, SMTP_TRACK_STARTTLS);
	else if (verb_is(t, "AUTH"))
		await(t, SMTP_TRACK_AUTH);
}

/* Reads as if the answer to DATA were 354, for a client that sends its message too early. */
static void read_early(struct smtp_track *t, const char *bytes, size_t length)
{
	bool ended;

	if (t->early_ended)
		t->early_after += bytes[length - 1] == '\n' && t->early_after < SMTP_OWED_MAX;
	else if (smtp_text_read(&t->text, bytes, length, &ended), ended)
		t->early_ended = true;
}

/* Reads up to the end of one line. Returns how much it took. */
static size_t read_command(struct smtp_track *t, uint64_t now_us, const char *bytes, size_t length,
			   struct smtp_track_change *change)
{
	const char *lf = memchr(bytes, '\n', length);
	size_t n = lf ? (size_t)(lf - bytes) + 1 : length;

	for (size_t i = 0; i < n - (lf != NULL) && t->line_at != LINE_REST; i++)
		take_octet(t, bytes[i]);
	if (t->pending == SMTP_TRACK_DATA)
		read_early(t, bytes, n);
	if (lf) {
		take_line(t, now_us, change);
		begin_line(t);
	}
	return n;
}

static size_t read_message(struct smtp_track *t, uint64_t now_us, const char *bytes, size_t length,
			   struct smtp_track_change *change)
{
	bool ended;
	size_t n = smtp_text_read(&t->text, bytes, length, &ended);

	if (ended) {
		t->mode = SMTP_TRACK_COMMAND;
		smtp_turn_owe(t, 1, now_us, change);
	}
	return n;
}

static size_t read_chunk(struct smtp_track *t, uint64_t now_us, size_t length,
			 struct smtp_track_change *change)
{
	size_t n = length < t->chunk_left ? length : (size_t)t->chunk_left;

	t->chunk_left -= n;
	if (!t->chunk_left) {
		t->mode = SMTP_TRACK_COMMAND;
		if (!t->chunk_answered)
			smtp_turn_owe(t, 1, now_us, change);
	}
	return n;
}

/* ---- the server's answers ------------------------------------------------------------------- */

/* Takes an answer that says what the client's next octets are. If the client did not wait for it,
 * its early octets are now read accordingly. */
static void resolve(struct smtp_track *t, uint64_t now_us, int code,
		    struct smtp_track_change *change)
{
	enum smtp_track_pending pending = (enum smtp_track_pending)t->pending;
	uint32_t early = t->early;

	t->pending = SMTP_TRACK_NOTHING;
	t->early = 0;
	if (code == 354) {
		if (pending != SMTP_TRACK_DATA)
			smtp_text_begin(&t->text);
		if (pending == SMTP_TRACK_DATA && t->early_ended)
			smtp_turn_owe(t, 1 + t->early_after, now_us, change);
		else
			t->mode = SMTP_TRACK_MESSAGE;
		if (t->mode == SMTP_TRACK_MESSAGE)
			begin_line(t);
	} else if (code == 220 && pending == SMTP_TRACK_STARTTLS) {
		smtp_tls_begin(t); /* what the client sent before is thrown away: RFC 3207 5 */
	} else {
		t->auth = code == 334 && !early;
		smtp_turn_owe(t, early, now_us, change);
	}
}

/* Takes an answer of the server that no line asked for. */
static void take_unasked(struct smtp_track *t, uint64_t now_us, struct smtp_track_change *change)
{
	if (t->mode == SMTP_TRACK_CHUNK) {
		t->chunk_answered = true;
	} else if (t->mode == SMTP_TRACK_MESSAGE && t->text.loose) {
		uint64_t us = now_us > t->client_us ? now_us - t->client_us : 0;

		t->mode = SMTP_TRACK_COMMAND;
		change->unseen_busy_us += us;
		t->server_us += us;
		smtp_turn_count(t, change);
	}
}

static void take_answer(struct smtp_track *t, uint64_t now_us, int code,
			struct smtp_track_change *change)
{
	bool asked = t->owed > 0;

	if (!t->greeting_whole) {
		t->greeting_whole = true;
		t->closing = code == 421;
		asked = false;
	} else if (!asked) {
		take_unasked(t, now_us, change);
	} else {
		t->owed--;
	}
	change->shut |= code == 421;
	if (code == 221 || code == 421)
		t->closing = true;
	if (t->closing || (asked && code == 354 && t->mode == SMTP_TRACK_COMMAND))
		t->owed = 0; /* it closes; or it gave fewer answers than there were lines */
	if (t->owed || !(asked || t->busy || t->stuck))
		return;
	smtp_turn_settle(t, now_us, change);
	if (!t->closing && t->mode == SMTP_TRACK_COMMAND)
		resolve(t, now_us, code, change);
}

/* A line whose fourth octet is a hyphen is continued (RFC 5321 4.2.1); any other line ends an
 * answer. */
static void read_answers(struct smtp_track *t, uint64_t now_us, const char *bytes, size_t length,
			 struct smtp_track_change *change)
{
	for (size_t i = 0; i < length;) {
		const char *lf;

		while (i < length && t->reply_length < 4 && bytes[i] != '\n')
			t->reply[t->reply_length++] = bytes[i++];
		lf = i < length ? memchr(bytes + i, '\n', length - i) : NULL;
		if (!lf)
			return;
		i = (size_t)(lf - bytes) + 1;
		if (t->reply_length < 4 || t->reply[3] != '-') {
			int code = 0;

			for (int d = 0; d < 3 && d < t->reply_length; d++)
				code = code * 10 + (t->reply[d] - '0');
			t->reply_length = 0;
			take_answer(t, now_us, code, change);
			if (t->mode == SMTP_TRACK_TLS) {
				smtp_tls_server(t, now_us, bytes + i, length - i, change);
				return;
			}
		}
		t->reply_length = 0;
	}
}

static void greet(struct smtp_track *t, uint64_t now_us, char first,
		  struct smtp_track_change *change)
{
	t->greeted = change->greeted = true;
	if (t->mode == SMTP_TRACK_TLS)
		return;
	/* RFC 5321 4.3.2: the first digit of a greeting decides. */
	if (first == '4' || first == '5') {
		t->turned_away = true;
		change->turned_away = first;
	}
	smtp_turn_settle(t, now_us, change);
	if (t->owed)
		smtp_turn_start(t, now_us, change);
}

/* ---- events --------------------------------------------------------------------------------- */

struct smtp_track_change smtp_track_begin(struct smtp_track *t, uint64_t now_us, bool implicit_tls)
{
	struct smtp_track_change change = { 0 };

	memset(t, 0, sizeof(*t));
	t->began_us = now_us;
	if (implicit_tls)
		smtp_tls_begin(t);
	else
		smtp_turn_start(t, now_us, &change);
	return change;
}

struct smtp_track_change smtp_track_client(struct smtp_track *t, uint64_t now_us, const char *bytes,
					   size_t length)
{
	struct smtp_track_change change = { 0 };

	if (length)
		t->client_us = now_us;
	for (size_t n = 0; n < length;) {
		switch (t->mode) {
		case SMTP_TRACK_COMMAND:
			n += read_command(t, now_us, bytes + n, length - n, &change);
			break;
		case SMTP_TRACK_MESSAGE:
			n += read_message(t, now_us, bytes + n, length - n, &change);
			break;
		case SMTP_TRACK_CHUNK:
			n += read_chunk(t, now_us, length - n, &change);
			break;
		default:
			smtp_tls_client(t, now_us, bytes + n, length - n, &change);
			n = length;
		}
	}
	return change;
}

struct smtp_track_change smtp_track_server(struct smtp_track *t, uint64_t now_us, const char *bytes,
					   size_t length)
{
	struct smtp_track_change change = { 0 };

	if (!length)
		return change;
	if (!t->greeted)
		greet(t, now_us, bytes[0], &change);
	if (t->mode == SMTP_TRACK_TLS)
		smtp_tls_server(t, now_us, bytes, length, &change);
	else
		read_answers(t, now_us, bytes, length, &change);
	return change;
}

struct smtp_track_change smtp_track_tick(struct smtp_track *t, uint64_t now_us, uint64_t stuck_us)
{
	struct smtp_track_change change = { 0 };
	bool whole = !t->client.header_length || t->client.broken;

	if (t->mode == SMTP_TRACK_TLS && t->quiet_due && whole && !t->busy && !t->stuck &&
	    now_us >= t->client_us + SMTP_TRACK_QUIET_US) {
		smtp_turn_start(t, t->client_us, &change);
		change.unseen_busy_us = now_us - t->client_us;
	}
	/* Behind TLS count from the first unanswered record, since each record begins the turn
	 * again. */
	if (t->busy && now_us >= (t->quiet_due ? t->due_us : t->owed_since_us) + stuck_us) {
		t->server_us += now_us - t->owed_since_us;
		t->busy = false;
		t->stuck = true;
		t->stuck_since_us = now_us;
		change.busy--;
		change.stuck++;
	}
	return change;
}

struct smtp_track_change smtp_track_end(struct smtp_track *t, uint64_t now_us, bool in_order)
{
	struct smtp_track_change change = { 0 };

	smtp_turn_end(t, now_us, &change);
	if (in_order && !t->turned_away && t->greeted && t->spoke && t->server_turns > 1) {
		change.jobs = 1;
		t->jobs++;
	}
	return change;
}
