/* Whose turn it is in a session, from the bytes that pass, as a pure machine: not what they mean, only who spoke last. Gives the
 * time to the greeting, the time in which the server owed an answer, and the jobs done (core/counts.h, `completed`).
 *
 * The server owes an answer from the connection to the greeting, and from a client's complete line until the server speaks.
 * While a message body is under way (the server has said 354) only its end, a line with a single dot, makes it owe one: a
 * stalled sender is no load. Behind STARTTLS nothing can be read: there the client's turn is taken for ended when it has been
 * quiet for TURNS_QUIET_US, and counts from its last byte. */
#ifndef PENSTOCK_CORE_TURNS_H
#define PENSTOCK_CORE_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TURNS_QUIET_US 30000u
#define TURNS_PER_JOB 8

struct turns {
	uint64_t began_us, owed_since_us, client_us; /* client_us: its last byte */
	uint64_t server_us; /* sum of what the server took */
	uint32_t server_turns;
	uint32_t jobs; /* counted so far in this session */
	bool greeted, busy, body, opaque, pending, spoke, server_spoke;
	char tail[5]; /* the client's last bytes */
	char head[3]; /* the server's first bytes of its turn */
	uint8_t head_length;
};

/* What one event changed, for the counts: deltas. */
struct turns_change {
	int busy; /* -1, 0, 1 */
	bool greeted; /* the first byte of the greeting came now */
	unsigned jobs;
	uint64_t unseen_busy_us; /* a busy time that had not shown in the gauge */
};

void turns_begin(struct turns *t, uint64_t now_us); /* busy from here on */
struct turns_change turns_client(struct turns *t, uint64_t now_us, const char *bytes,
				 size_t length);
struct turns_change turns_server(struct turns *t, uint64_t now_us, const char *bytes,
				 size_t length);
/* Now and then (100 ms): finds the quiet client of an opaque session. */
struct turns_change turns_tick(struct turns *t, uint64_t now_us);
/* The session ended; in order: by a FIN of either side, not by an error or a time-out. */
struct turns_change turns_end(struct turns *t, uint64_t now_us, bool in_order);

#endif
