/* IPv4 and IPv6 addresses in one form: IPv4 is mapped into IPv6 (::ffff:a.b.c.d), as the kernel
 * does for a socket that serves both. Example: 192.0.2.7 is 10 zero bytes, ff ff, c0 00 02 07. */
#ifndef PENSTOCK_BASE_ADDRESS_H
#define PENSTOCK_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* From the four bytes of an IPv4 address, in network order. */
void address_map_v4(const void *v4, struct in6_addr *ret);
/* "192.0.2.7" or "2001:db8::1". 0, or -EINVAL: then *ret is unchanged. */
int address_parse(const char *text, struct in6_addr *ret);
/* A mapped address is printed as IPv4. `buf` has INET6_ADDRSTRLEN bytes and is returned. */
const char *address_print(const struct in6_addr *address, char *buf);
/* ::1 or 127.0.0.0/8. */
bool address_is_loopback(const struct in6_addr *address);
/* Address and port of a socket address. Both stay unchanged if it has another family (UNIX). */
void address_of_socket(const struct sockaddr_storage *end, struct in6_addr *ret_address,
		       uint16_t *ret_port);

#endif
