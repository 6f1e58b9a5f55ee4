/* What a refused client reads. RFC 5321 4.2, 4.3.1 (FQDN first), RFC 3463 X.3.2. One line of at
 * most 512 octets, never 5yz. It says nothing about the client, and names no resource unless the
 * operator asks for it. */
#ifndef PENSTOCK_CORE_REPLY_H
#define PENSTOCK_CORE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/reason.h"

#define REPLY_MAX 512
#define REPLY_URL_MAX 150

/* What the operator chose of each reply, one for a service. Zeros: nothing but the name. */
struct reply_style {
	char hostname[256]; /* RFC 5321 4.2: directly behind the codes */
	char help_url[REPLY_URL_MAX + 1]; /* a page for people; empty: none */
	bool reason_id; /* adds the reason, as "(id cpu)", for the postmasters of both sides */
};

/* Writes the reply line with CRLF into `buf` (REPLY_MAX octets and a terminator). `code`: 451 or
 * 421; anything else gives 451. `until_us` (CLOCK_REALTIME, 0: unknown) is named during
 * maintenance. Returns the length. */
size_t reply_line(char *buf, size_t size, unsigned code, const struct reply_style *style,
		  enum reason reason, uint64_t until_us);
/* "451 4.3.2 text" without hostname and CRLF, for fronts whose server adds its own. */
size_t reply_text(char *buf, size_t size, unsigned code, const struct reply_style *style,
		  enum reason reason, uint64_t until_us);
/* Puts the server's name behind the codes, as reply_line() has it. `text`: what reply_text() gave;
 * the result has no CRLF, either. Returns the length; 0: it does not fit. */
size_t reply_named(char *buf, size_t size, const char *text, const char *hostname);

#endif
