#include "core/turns.h"

#include <string.h>

#define TLS_HANDSHAKE 0x16 /* RFC 8446 5.1: content type of a ClientHello's record */

void turns_begin(struct turns *t, uint64_t now_us)
{
	memset(t, 0, sizeof(*t));
	t->began_us = t->owed_since_us = now_us;
	t->busy = true;
}

static void owe(struct turns *t, uint64_t since_us, struct turns_change *change)
{
	if (t->busy)
		return;
	t->busy = true;
	t->owed_since_us = since_us;
	change->busy++;
}

static void settle(struct turns *t, uint64_t now_us, struct turns_change *change)
{
	if (!t->busy)
		return;
	t->busy = false;
	if (now_us > t->owed_since_us)
		t->server_us += now_us - t->owed_since_us;
	change->busy--;
}

static void remember_tail(struct turns *t, const char *bytes, size_t length)
{
	size_t keep = sizeof(t->tail);

	if (length >= keep) {
		memcpy(t->tail, bytes + length - keep, keep);
		return;
	}
	memmove(t->tail, t->tail + length, keep - length);
	memcpy(t->tail + keep - length, bytes, length);
}

struct turns_change turns_client(struct turns *t, uint64_t now_us, const char *bytes, size_t length)
{
	struct turns_change change = { 0 };

	if (!length)
		return change;
	t->client_us = now_us;
	t->spoke = true;
	t->head_length = 0;
	if (!t->opaque && !t->body && (unsigned char)bytes[0] == TLS_HANDSHAKE)
		t->opaque = true;
	if (t->opaque) {
		/* Still talking: what it is owed counts from its last byte. */
		if (t->greeted)
			settle(t, t->owed_since_us, &change);
		t->pending = true;
		return change;
	}
	remember_tail(t, bytes, length);
	if (!t->greeted)
		return change; /* the greeting is owed already */
	if (t->body) {
		if (memcmp(t->tail, "\r\n.\r\n", 5) == 0)
			t->body = false;
		else
			return change;
	}
	if (t->tail[4] == '\n')
		owe(t, now_us, &change);
	return change;
}

struct turns_change turns_server(struct turns *t, uint64_t now_us, const char *bytes, size_t length)
{
	struct turns_change change = { 0 };
	bool answered = t->busy || t->pending;

	if (!length)
		return change;
	if (!t->greeted) {
		t->greeted = change.greeted = true;
		settle(t, now_us, &change);
		answered = true;
	} else if (t->opaque && t->pending && !t->busy) {
		change.unseen_busy_us = now_us > t->client_us ? now_us - t->client_us : 0;
		t->server_us += change.unseen_busy_us;
	} else {
		settle(t, now_us, &change);
	}
	t->pending = false;
	if (t->spoke)
		t->server_spoke = true;
	if (answered && ++t->server_turns % TURNS_PER_JOB == 0) {
		change.jobs = 1;
		t->jobs++;
	}
	for (size_t i = 0; i < length && !t->opaque; i++) {
		/* The first three octets of each line: 354 opens a body. */
		if (bytes[i] == '\n') {
			t->head_length = 0;
		} else if (t->head_length < 3) {
			t->head[t->head_length++] = bytes[i];
			if (t->head_length == 3 && memcmp(t->head, "354", 3) == 0) {
				t->body = true;
				memcpy(t->tail, "\0\0\0\r\n", 5); /* a body may be a lone dot */
			}
		}
	}
	return change;
}

struct turns_change turns_tick(struct turns *t, uint64_t now_us)
{
	struct turns_change change = { 0 };

	if (t->opaque && t->greeted && t->pending && !t->busy &&
	    now_us >= t->client_us + TURNS_QUIET_US) {
		owe(t, t->client_us, &change);
		change.unseen_busy_us = now_us - t->client_us;
	}
	return change;
}

struct turns_change turns_end(struct turns *t, uint64_t now_us, bool in_order)
{
	struct turns_change change = { 0 };

	settle(t, now_us, &change);
	if (in_order && t->greeted && t->spoke && t->server_spoke) {
		change.jobs = 1;
		t->jobs++;
	}
	return change;
}
