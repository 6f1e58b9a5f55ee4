/* The host names to which HTTP answers. A foreign web page shown by a browser on this host could
 * let its own name point to 127.0.0.1 later, and read what is served there (DNS rebinding). But the
 * browser still sends the foreign name. Pure, fuzzed with http. */
#ifndef PENSTOCK_PUBLISH_HOSTS_H
#define PENSTOCK_PUBLISH_HOSTS_H

#include <stdbool.h>

/* Whether a Host header ("mx1.example.org:9825", RFC 9110 7.2) is allowed: an address, localhost or
 * one of `names` (separated by blanks or commas). NULL (possible in HTTP/1.0) is allowed, because
 * browsers always send a name. */
bool hosts_allow(const char *host, const char *names);

#endif
