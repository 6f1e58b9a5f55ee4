#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

void address_map_v4(const void *v4, struct in6_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
	memcpy(&ret->s6_addr[12], v4, 4);
}

int address_parse(const char *text, struct in6_addr *ret)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1)
		address_map_v4(&v4, ret);
	else if (inet_pton(AF_INET6, text, &v6) == 1)
		*ret = v6;
	else
		return -EINVAL;
	return 0;
}

const char *address_print(const struct in6_addr *address, char *buf)
{
	if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, buf, INET6_ADDRSTRLEN);
	return buf;
}

void address_of_socket(const struct sockaddr_storage *end, struct in6_addr *ret_address,
		       uint16_t *ret_port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)end;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)end;

	if (end->ss_family == AF_INET) {
		address_map_v4(&v4->sin_addr, ret_address);
		*ret_port = ntohs(v4->sin_port);
	} else if (end->ss_family == AF_INET6) {
		*ret_address = v6->sin6_addr;
		*ret_port = ntohs(v6->sin6_port);
	}
}

bool address_is_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a) ||
	       (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == IN_LOOPBACKNET);
}
