/* Which host names HTTP answers to. A foreign web page that a browser on this host shows could
 * later let its own name point to 127.0.0.1 and read what is served there (DNS rebinding); but
 * the browser still sends the foreign name. Pure, fuzzed with http. */
#ifndef PENSTOCK_PUBLISH_HOSTS_H
#define PENSTOCK_PUBLISH_HOSTS_H

#include <stdbool.h>

/* Whether a Host header ("mx1.example.org:9825", RFC 9110 7.2) is an address, localhost or one of
 * `names` (split at blanks and commas). NULL, as HTTP/1.0 may have it, is: browsers always send
 * one. */
bool hosts_allow(const char *host, const char *names);

#endif
