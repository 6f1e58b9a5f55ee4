#include <string.h>

#include "core/smtp_track_parts.h"

enum { TLS_CHANGE_CIPHER = 20, TLS_ALERT, TLS_HANDSHAKE, TLS_DATA };
#define TLS_RECORD_MAX (16384 + 2048) /* RFC 5246 6.2.3, the largest of all versions */

/* Reads up to the end of one record. `*ret_type`: the type of a record that is complete now, or 0.
 * Returns how much it took. */
static size_t read_record(struct smtp_track_records *r, const char *bytes, size_t length,
			  uint8_t *ret_type)
{
	size_t n = 0;

	*ret_type = 0;
	if (r->broken)
		return length;
	while (n < length && r->header_length < sizeof(r->header)) {
		r->header[r->header_length++] = (uint8_t)bytes[n++];
		if (r->header_length < sizeof(r->header))
			continue;
		r->left = (uint32_t)r->header[3] << 8 | r->header[4];
		r->broken = r->header[0] < TLS_CHANGE_CIPHER || r->header[0] > TLS_DATA ||
			    r->header[1] != 3 || r->left > TLS_RECORD_MAX;
		if (r->broken)
			return length;
	}
	if (r->header_length < sizeof(r->header))
		return n;
	if (length - n < r->left) {
		r->left -= (uint32_t)(length - n);
		return length;
	}
	n += r->left;
	r->left = r->header_length = 0;
	*ret_type = r->header[0];
	return n;
}

static void note_record(struct smtp_track_records *r, uint8_t type)
{
	r->hello_count += type == TLS_HANDSHAKE && r->hello_count < 2;
	r->change_cipher |= type == TLS_CHANGE_CIPHER;
	r->data |= type == TLS_DATA;
}

static void expect_server(struct smtp_track *t, uint64_t now_us)
{
	if (!t->quiet_due)
		t->due_us = now_us;
	t->quiet_due = t->spoke = true;
}

static void take_client_record(struct smtp_track *t, uint64_t now_us, uint8_t type)
{
	note_record(&t->client, type);
	if (type == TLS_ALERT || type == TLS_CHANGE_CIPHER)
		return;
	/* The first protected record of a TLS 1.3 client is its Finished. */
	if (type == TLS_DATA && t->tls13 && !t->client_finished) {
		t->client_finished = true;
		return;
	}
	expect_server(t, now_us);
}

void smtp_tls_client(struct smtp_track *t, uint64_t now_us, const char *bytes, size_t length,
		     struct smtp_track_change *change)
{
	uint8_t type;

	/* The client is still sending: the server's turn begins with the client's last octet. */
	if (t->busy)
		smtp_turn_end(t, t->owed_since_us, change);
	t->client_us = now_us;
	for (size_t n = 0; n < length;) {
		n += read_record(&t->client, bytes + n, length - n, &type);
		if (type)
			take_client_record(t, now_us, type);
	}
	if (t->client.broken)
		expect_server(t, now_us); /* the server owes it an alert, or a close */
}

/* Takes a record of the server, or octets that are not a record. */
static void take_server_record(struct smtp_track *t, uint64_t now_us, uint8_t type,
			       struct smtp_track_change *change)
{
	/* Encrypted before the client's second flight: this is TLS 1.3. */
	if (type == TLS_DATA && !t->server.data && t->client.hello_count == 1 &&
	    !t->client.change_cipher && !t->client.data)
		t->tls13 = true;
	note_record(&t->server, type);
	if (t->busy || t->stuck) {
		smtp_turn_settle(t, now_us, change);
	} else if (t->quiet_due) {
		uint64_t us = now_us > t->client_us ? now_us - t->client_us : 0;

		change->unseen_busy_us += us;
		t->server_us += us;
		smtp_turn_count(t, change);
	}
	t->quiet_due = false;
}

void smtp_tls_server(struct smtp_track *t, uint64_t now_us, const char *bytes, size_t length,
		     struct smtp_track_change *change)
{
	uint8_t type;

	for (size_t n = 0; n < length;) {
		n += read_record(&t->server, bytes + n, length - n, &type);
		if (type)
			take_server_record(t, now_us, type, change);
	}
	if (t->server.broken)
		take_server_record(t, now_us, 0, change);
}

void smtp_tls_begin(struct smtp_track *t)
{
	t->mode = SMTP_TRACK_TLS;
	memset(&t->client, 0, sizeof(t->client));
	memset(&t->server, 0, sizeof(t->server));
	t->quiet_due = t->tls13 = t->client_finished = false;
}
