#include "proxy/proxy_protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/parse.h"

static const uint8_t signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
				       0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

static int read_address(const char *text, bool v6, struct in6_addr *ret)
{
	struct in_addr v4;

	if (v6)
		return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EPROTO;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return -EPROTO;
	address_map_v4(&v4, ret);
	return 0;
}

static int read_port(const char *text, uint16_t *ret)
{
	uint64_t port;

	if (parse_u64(text, &port) < 0 || port > 65535)
		return -EPROTO;
	*ret = (uint16_t)port;
	return 0;
}

static int decode_v1(const uint8_t *bytes, size_t length, struct proxy_addresses *ret)
{
	const uint8_t *end = memchr(bytes, '\n', length < 107 ? length : 107);
	char line[108], *word[6], *rest = line;
	int words = 0;
	bool v6;

	if (!end)
		return length >= 107 ? -EPROTO : 0;
	if (end == bytes || end[-1] != '\r' || memchr(bytes, 0, (size_t)(end - bytes)))
		return -EPROTO;
	memcpy(line, bytes, (size_t)(end - bytes) - 1);
	line[end - bytes - 1] = 0;
	while (rest && words < 6) /* exactly one blank between two words */
		word[words++] = strsep(&rest, " ");
	if (words < 2 || strcmp(word[0], "PROXY") != 0)
		return -EPROTO;
	if (strcmp(word[1], "UNKNOWN") != 0) {
		v6 = strcmp(word[1], "TCP6") == 0;
		if ((!v6 && strcmp(word[1], "TCP4") != 0) || words != 6 || rest ||
		    read_address(word[2], v6, &ret->source) < 0 ||
		    read_address(word[3], v6, &ret->destination) < 0 ||
		    read_port(word[4], &ret->source_port) < 0 ||
		    read_port(word[5], &ret->destination_port) < 0)
			return -EPROTO;
		ret->known = true;
	}
	return (int)(end - bytes) + 1;
}

size_t proxy_protocol_length(const uint8_t *bytes, size_t length)
{
	if (length < 16 || memcmp(bytes, signature, sizeof(signature)) != 0)
		return PROXY_PROTOCOL_MAX;
	return 16 + ((size_t)bytes[14] << 8 | bytes[15]);
}

static int decode_v2(const uint8_t *b, size_t length, struct proxy_addresses *ret)
{
	size_t whole;

	if (length < 16)
		return 0;
	if ((b[12] & 0xf0) != 0x20 || (b[12] & 0x0f) > 1)
		return -EPROTO;
	whole = proxy_protocol_length(b, length);
	if (length < whole)
		return 0;
	if ((b[12] & 0x0f) == 1 && b[13] == 0x11) {
		if (whole < 16 + 12)
			return -EPROTO;
		address_map_v4(b + 16, &ret->source);
		address_map_v4(b + 20, &ret->destination);
		ret->source_port = (uint16_t)(b[24] << 8 | b[25]);
		ret->destination_port = (uint16_t)(b[26] << 8 | b[27]);
		ret->known = true;
	} else if ((b[12] & 0x0f) == 1 && b[13] == 0x21) {
		if (whole < 16 + 36)
			return -EPROTO;
		memcpy(&ret->source, b + 16, 16);
		memcpy(&ret->destination, b + 32, 16);
		ret->source_port = (uint16_t)(b[48] << 8 | b[49]);
		ret->destination_port = (uint16_t)(b[50] << 8 | b[51]);
		ret->known = true;
	}
	return (int)whole;
}

int proxy_protocol_decode(const uint8_t *bytes, size_t length, struct proxy_addresses *ret)
{
	struct proxy_addresses found = { 0 };
	size_t n = length < sizeof(signature) ? length : sizeof(signature);
	int r;

	if (n == 0)
		return 0;
	if (memcmp(bytes, signature, n) == 0)
		r = n < sizeof(signature) ? 0 : decode_v2(bytes, length, &found);
	else if (memcmp(bytes, "PROXY ", length < 6 ? length : 6) == 0)
		r = decode_v1(bytes, length, &found);
	else
		r = -EPROTO;
	if (r > 0)
		*ret = found;
	return r;
}

static bool is_v4(const struct proxy_addresses *a)
{
	return IN6_IS_ADDR_V4MAPPED(&a->source) && IN6_IS_ADDR_V4MAPPED(&a->destination);
}

static size_t encode_v1(const struct proxy_addresses *a, uint8_t *out)
{
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	bool v4 = is_v4(a);

	if (!a->known)
		return (size_t)snprintf((char *)out, PROXY_PROTOCOL_MAX, "PROXY UNKNOWN\r\n");
	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? (const void *)&a->source.s6_addr[12] : &a->source,
		  source, sizeof(source));
	inet_ntop(v4 ? AF_INET : AF_INET6,
		  v4 ? (const void *)&a->destination.s6_addr[12] : &a->destination, destination,
		  sizeof(destination));
	return (size_t)snprintf((char *)out, PROXY_PROTOCOL_MAX, "PROXY %s %s %s %u %u\r\n",
				v4 ? "TCP4" : "TCP6", source, destination, a->source_port,
				a->destination_port);
}

static size_t encode_v2(const struct proxy_addresses *a, uint8_t *out)
{
	bool v4 = is_v4(a);
	size_t body = !a->known ? 0 : v4 ? 12 : 36, at = 16, each = v4 ? 4 : 16;
	uint16_t ports[2] = { htons(a->source_port), htons(a->destination_port) };

	memcpy(out, signature, sizeof(signature));
	out[12] = a->known ? 0x21 : 0x20;
	out[13] = !a->known ? 0 : v4 ? 0x11 : 0x21;
	out[14] = 0;
	out[15] = (uint8_t)body;
	if (a->known) {
		memcpy(out + at, v4 ? &a->source.s6_addr[12] : a->source.s6_addr, each);
		memcpy(out + at + each, v4 ? &a->destination.s6_addr[12] : a->destination.s6_addr,
		       each);
		memcpy(out + at + 2 * each, ports, sizeof(ports));
	}
	return 16 + body;
}

size_t proxy_protocol_encode(int version, const struct proxy_addresses *addresses, uint8_t *out)
{
	return version == 1 ? encode_v1(addresses, out) : encode_v2(addresses, out);
}
