/* The parts of the session's tracker (core/smtp_track.h), a file each. They change the tracker and
 * note in `change` what the counts must learn. For smtp_track.c and its parts only. */
#ifndef PENSTOCK_CORE_SMTP_TRACK_PARTS_H
#define PENSTOCK_CORE_SMTP_TRACK_PARTS_H

#include "core/smtp_track.h"

/* More answers than this are not counted. */
#define SMTP_OWED_MAX (1u << 30)

/* smtp_turn.c: whose turn it is. The server's turn begins with the first answer that it owes, and
 * ends when it has given all of them. */
void smtp_turn_start(struct smtp_track *track, uint64_t since_us, struct smtp_track_change *change);
/* Ends the turn, by an answer or for another reason. */
void smtp_turn_end(struct smtp_track *track, uint64_t now_us, struct smtp_track_change *change);
/* Counts one more turn; some of them make a job. */
void smtp_turn_count(struct smtp_track *track, struct smtp_track_change *change);
/* Adds to the answers that the server owes. */
void smtp_turn_owe(struct smtp_track *track, uint32_t answers, uint64_t now_us,
		   struct smtp_track_change *change);
/* Call it when the server has answered all that it owed: ends the turn and counts it. */
void smtp_turn_settle(struct smtp_track *track, uint64_t now_us, struct smtp_track_change *change);

/* smtp_text.c: finds the end of a message. */
void smtp_text_begin(struct smtp_track_text *text);
/* Reads on to the end of the message, or of the bytes. Returns how many octets it took. */
size_t smtp_text_read(struct smtp_track_text *text, const char *bytes, size_t length,
		      bool *ret_ended);

/* smtp_tls.c: the session behind STARTTLS or implicit TLS, of which only records can be seen. */
void smtp_tls_begin(struct smtp_track *track);
void smtp_tls_client(struct smtp_track *track, uint64_t now_us, const char *bytes, size_t length,
		     struct smtp_track_change *change);
void smtp_tls_server(struct smtp_track *track, uint64_t now_us, const char *bytes, size_t length,
		     struct smtp_track_change *change);

#endif
