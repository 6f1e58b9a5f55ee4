/* The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): the client's address,
 * sent before the stream. Pure. */
#ifndef PENSTOCK_PROXY_PROXY_PROTOCOL_H
#define PENSTOCK_PROXY_PROXY_PROTOCOL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A version 1 line has at most 107 octets, and version 2 fits into this but for its TLVs
 * (proxy-protocol.txt 2.2). */
#define PROXY_PROTOCOL_MAX 536

struct proxy_addresses {
	bool known; /* false: LOCAL, UNKNOWN or no address family that concerns us */
	struct in6_addr source, destination; /* IPv4 mapped */
	uint16_t source_port, destination_port;
};

/* Returns the length of the header at the beginning of `bytes` (1 and up), 0 when more is needed,
 * -EPROTO when this is none. */
int proxy_protocol_decode(const uint8_t *bytes, size_t length, struct proxy_addresses *ret);
/* The length of the header that begins with `bytes`. It may be more than `length`: a version 2
 * header with TLVs may have up to 65,551 octets. PROXY_PROTOCOL_MAX: there are too few bytes to
 * know it. */
size_t proxy_protocol_length(const uint8_t *bytes, size_t length);
/* Writes a header of version 1 or 2 (PROXY_PROTOCOL_MAX is always enough). Returns its length. */
size_t proxy_protocol_encode(int version, const struct proxy_addresses *addresses, uint8_t *out);

#endif
