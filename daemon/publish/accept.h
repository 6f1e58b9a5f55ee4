/* Which media type an HTTP client prefers: RFC 9110 12.5.1 (Accept) with the quality values of
 * 12.4.2. A pure function on bytes from outside. */
#ifndef PENSTOCK_PUBLISH_ACCEPT_H
#define PENSTOCK_PUBLISH_ACCEPT_H

#include <stdbool.h>

/* Whether `accept` prefers the media type `special` to `usual`. A type that it does not name has
 * the quality of its range (text/ followed by a star, or both stars); of equal qualities a named
 * type wins over a range. Parameters other than q are ignored. Example:
 * "text/plain;q=0.6,application/openmetrics-text;q=0.5" does not prefer
 * application/openmetrics-text. */
bool accept_prefers(const char *accept, const char *special, const char *usual);

#endif
