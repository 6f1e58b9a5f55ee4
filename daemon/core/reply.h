/* What a refused client reads. RFC 5321 4.2, 4.3.1 (FQDN first), RFC 3463 X.3.2. One line, at most 512 octets, never 5yz,
 * nothing about the client, no resource named. */
#ifndef PENSTOCK_CORE_REPLY_H
#define PENSTOCK_CORE_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "core/reason.h"

#define REPLY_MAX 512

/* The reply line with CRLF into buf (REPLY_MAX octets and a terminator). `code` is 451 or 421; anything else gives 451.
 * `until_us` (CLOCK_REALTIME, 0: unknown) is said for maintenance. Returns the length. */
size_t reply_line(char *buf, size_t size, unsigned code, const char *hostname, enum reason reason,
		  uint64_t until_us);
/* "451 4.3.2 text" without hostname and CRLF, for fronts whose server adds its own. */
size_t reply_text(char *buf, size_t size, unsigned code, enum reason reason, uint64_t until_us);

#endif
