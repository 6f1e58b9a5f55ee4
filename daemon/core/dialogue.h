/* The dialogue with a refused client, as a pure machine: bytes in, bytes out. RFC 5321 3.8 and
 * 4.1.1.10: a server does not close except after QUIT, after 421, or on a time-out. So the
 * greeting is 451, every command gets the same line (never 503), and QUIT gets 221. Beyond the
 * bounds the answer is 421, and the dialogue is over. */
#ifndef PENSTOCK_CORE_DIALOGUE_H
#define PENSTOCK_CORE_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/reply.h"

#define DIALOGUE_COMMANDS 20 /* get the refusal as their answer; the next one gets 421 */
#define DIALOGUE_BYTES 65536u /* read from the client in all; more gets 421 */
/* The room that one call of dialogue_feed() may need. */
#define DIALOGUE_OUT ((DIALOGUE_COMMANDS + 2) * REPLY_MAX)

struct dialogue {
	const struct reply_style *style; /* the caller's */
	uint64_t until_us;
	uint8_t reason; /* enum reason */
	bool done; /* nothing more to say: flush, shutdown, drain, close */
	bool quit; /* by the client, with nothing after it */
	bool matching; /* the line so far is a beginning of QUIT */
	uint16_t code;
	uint32_t commands, bytes, line_length;
};

/* Writes the greeting into `out` (at least REPLY_MAX + 1). With code 421 the dialogue is done after
 * it. Returns its length. */
size_t dialogue_begin(struct dialogue *d, unsigned code, const struct reply_style *style,
		      enum reason reason, uint64_t until_us, char *out, size_t size);
/* Takes what the client sent, writes what it gets (DIALOGUE_OUT). Returns the length. */
size_t dialogue_feed(struct dialogue *d, const char *bytes, size_t length, char *out, size_t size);

/* Whether the client said QUIT, got its 221 and has sent nothing after it. */
static inline bool dialogue_quit(const struct dialogue *d)
{
	return d->done && d->quit;
}

#endif
