/* Tracks what a mail server owes in a session, from the bytes that pass: a pure state machine of
 * fixed size, for any bytes and any split of them. It gives the time to the greeting, the time
 * in which the server owed an answer (busy: core/counts.h), and the jobs done. It reads only as
 * much of SMTP as it needs to count answers.
 *
 * The server owes
 *
 *   - the greeting, from the connection on. With implicit TLS (RFC 8314) it owes nothing until the
 *     client's first record is complete;
 *   - one answer for each complete line of the client, also for lines that come in one group
 *     (RFC 2920). An incomplete line owes nothing;
 *   - one answer for a message, from the end of its CRLF.CRLF on, wherever that is in the bytes
 *     (RFC 5321 4.1.1.4). A message begins when the server says 354, so bytes that a client sends
 *     too early are a message only if the server then says 354;
 *   - one answer for a chunk, from its last octet on (BDAT, RFC 3030);
 *   - one answer for each line of an AUTH dialogue (334, RFC 4954), whatever the line is;
 *   - nothing after it has said 221 or 421, since then it closes.
 *
 * An answer is given with its last line; the greeting with its first octet, since some servers send
 * half of it on purpose and then wait.
 *
 * Behind the server's 220 to STARTTLS (RFC 3207) only records can be seen (RFC 8446 5.1): the
 * server owes something when the client's records are complete and it has been quiet for
 * SMTP_TRACK_QUIET_US, from its last octet on, until the server's next record. A closing alert owes
 * nothing, and neither does the end of a TLS 1.3 handshake.
 *
 * A session to which the server has owed an answer for too long (core/overtaken.h) is stuck. It
 * counts as stuck and not as busy until the server answers. Nothing that its client sends meanwhile
 * changes that.
 *
 * What it cannot know: if a server accepts a dot between bare LFs as the end of a message, that
 * shows only when it answers; inside TLS, a message that stops in the middle of its text looks like
 * one that was sent. */
#ifndef PENSTOCK_CORE_SMTP_TRACK_H
#define PENSTOCK_CORE_SMTP_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_TRACK_QUIET_US 30000u
#define SMTP_TRACK_TURNS_PER_JOB 8

enum smtp_track_mode {
	SMTP_TRACK_COMMAND,
	SMTP_TRACK_MESSAGE,
	SMTP_TRACK_CHUNK,
	SMTP_TRACK_TLS,
};

/* A command whose answer says what the client's next octets are: the client must wait for it. */
enum smtp_track_pending {
	SMTP_TRACK_NOTHING,
	SMTP_TRACK_DATA,
	SMTP_TRACK_STARTTLS,
	SMTP_TRACK_AUTH,
};

/* The place in a message: RFC 5321 4.5.2. */
struct smtp_track_text {
	uint8_t at; /* enum text_at of smtp_text.c */
	bool loose; /* its last line is a lone dot, but not between CRLFs */
};

/* The TLS records of one direction. */
struct smtp_track_records {
	uint32_t left; /* octets of the record that have not come yet */
	uint16_t hello_count; /* handshake records */
	uint8_t header[5], header_length;
	bool change_cipher, data, broken; /* seen; broken: these are no records */
};

struct smtp_track {
	uint64_t began_us, owed_since_us, client_us; /* client_us: its last octet */
	uint64_t due_us; /* TLS: when its first unanswered record came */
	uint64_t server_us; /* sum of what the server took, while it was not stuck */
	uint64_t stuck_us, stuck_since_us; /* sum of the time in which it was stuck */
	uint64_t chunk_left; /* octets */
	uint64_t verb; /* of the line that is coming in, upper case */
	uint64_t argument; /* of BDAT */
	uint32_t server_turns; /* times that the server had answered all that it owed */
	uint32_t jobs; /* counted so far in this session */
	uint32_t owed; /* answers, not counting the greeting */
	uint32_t early; /* lines that came after a `pending` command and before its answer */
	/* of `early`, those after the end of the message, if the answer is 354 */
	uint32_t early_after;
	bool greeted, busy, stuck; /* busy: it owes, and is not stuck */
	bool turned_away; /* the server greeted with 4yz or 5yz: the session is no job */
	bool greeting_whole, closing, spoke;
	bool auth; /* the next line is part of an AUTH dialogue */
	bool early_ended; /* the message has ended already, if the answer is 354 */
	bool chunk_answered; /* before it was complete */
	bool quiet_due; /* TLS: records of the client have not been answered */
	bool tls13, client_finished;
	uint8_t mode; /* enum smtp_track_mode */
	uint8_t pending; /* enum smtp_track_pending */
	uint8_t line_at, verb_length; /* enum line_at of smtp_track.c */
	uint8_t reply_length; /* octets of the server's line, at most 4 */
	char reply[4];
	struct smtp_track_text text;
	struct smtp_track_records client, server;
};

/* What one event changed, for the counts: deltas. */
struct smtp_track_change {
	int busy, stuck; /* -1, 0, 1 */
	bool greeted; /* the first octet of the greeting came now */
	bool shut; /* the server said 421: it ends the session, and answers nothing */
	/* with `greeted`: '4' or '5', the first digit of a greeting that refuses; else 0 */
	char turned_away;
	unsigned jobs;
	unsigned turns; /* that ended with an answer now */
	uint64_t unseen_busy_us; /* length of a busy time so short that the gauge did not show it */
};

/* Begins with the connection to the server. */
struct smtp_track_change smtp_track_begin(struct smtp_track *track, uint64_t now_us,
					  bool implicit_tls);
struct smtp_track_change smtp_track_client(struct smtp_track *track, uint64_t now_us,
					   const char *bytes, size_t length);
struct smtp_track_change smtp_track_server(struct smtp_track *track, uint64_t now_us,
					   const char *bytes, size_t length);
/* Call it every 100 ms. Finds clients behind TLS that have become quiet, and sessions that are
 * stuck after `stuck_us`. */
struct smtp_track_change smtp_track_tick(struct smtp_track *track, uint64_t now_us,
					 uint64_t stuck_us);
/* The session ended. `in_order`: by a FIN of either side, not by an error or a time-out. */
struct smtp_track_change smtp_track_end(struct smtp_track *track, uint64_t now_us, bool in_order);

#endif
