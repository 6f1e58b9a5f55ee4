/* By which names HTTP may be asked. A page of somebody else that a browser on this host shows may
 * let its own name point to 127.0.0.1 afterwards and read what stands there (DNS rebinding); the
 * browser still sends that name. Pure, fuzzed with http. */
#ifndef PENSTOCK_PUBLISH_HOSTS_H
#define PENSTOCK_PUBLISH_HOSTS_H

#include <stdbool.h>

/* Whether a Host header ("mx1.example.org:9825", RFC 9110 7.2) is an address, localhost or one of
 * `names` (split at blanks and commas). NULL, as HTTP/1.0 may have it, is: browsers always send
 * one. */
bool hosts_allow(const char *host, const char *names);

#endif
