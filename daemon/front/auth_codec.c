#include "front/auth_codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is(const char *text, size_t length, const char *wanted)
{
	return strlen(wanted) == length && strncasecmp(text, wanted, length) == 0;
}

static void parse_address(const char *value, size_t length, struct auth_request *r)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;

	if (length >= sizeof(text))
		return;
	memcpy(text, value, length);
	text[length] = 0;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		memset(&r->address, 0, 10);
		r->address.s6_addr[10] = r->address.s6_addr[11] = 0xff;
		memcpy(&r->address.s6_addr[12], &v4, 4);
		r->address_known = true;
	} else if (inet_pton(AF_INET6, text, &r->address) == 1) {
		r->address_known = true;
	}
}

static bool parse_header(const char *line, size_t length, struct auth_request *r)
{
	const char *colon = memchr(line, ':', length), *value;
	size_t name, rest;

	if (!colon || colon == line)
		return false;
	name = (size_t)(colon - line);
	value = colon + 1;
	rest = length - name - 1;
	while (rest && *value == ' ') {
		value++;
		rest--;
	}
	if (is(line, name, "Client-IP"))
		parse_address(value, rest, r);
	else if (is(line, name, "Auth-Protocol"))
		r->smtp = is(value, rest, "smtp");
	else if (is(line, name, "Transfer-Encoding") ||
		 (is(line, name, "Content-Length") && !is(value, rest, "0")))
		return false;
	return true;
}

int auth_parse(const char *bytes, size_t length, struct auth_request *ret_request, size_t *ret_size)
{
	struct auth_request r = { 0 };
	size_t at = 0;

	/* Bytes that cannot become a GET are refused without waiting for more. */
	if (memcmp(bytes, "GET ", length < 4 ? length : 4) != 0)
		return -EBADMSG;
	for (bool first = true;; first = false) {
		const char *end = memchr(bytes + at, '\n', length - at);
		size_t line = end ? (size_t)(end - bytes) - at : length - at;

		if (at + line >= AUTH_REQUEST_MAX)
			return -EMSGSIZE;
		if (memchr(bytes + at, 0, line))
			return -EBADMSG;
		if (!end)
			return 0;
		if (line && bytes[at + line - 1] == '\r')
			line--;
		if (line == 0)
			break;
		if (!first && !parse_header(bytes + at, line, &r))
			return -EBADMSG;
		at = (size_t)(end - bytes) + 1;
	}
	*ret_request = r;
	*ret_size = (size_t)((const char *)memchr(bytes + at, '\n', length - at) - bytes) + 1;
	return 1;
}

#define END "Content-Length: 0\r\nConnection: close\r\n\r\n"

static size_t fits(int n)
{
	return n > 0 && n < AUTH_ANSWER_MAX ? (size_t)n : 0;
}

size_t auth_admit(char *buf, const char *address, uint16_t port)
{
	return fits(snprintf(
		buf, AUTH_ANSWER_MAX,
		"HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: %s\r\nAuth-Port: %u\r\n" END,
		address, port));
}

/* nginx joins code and text again. Without the code it would answer 535. */
size_t auth_defer(char *buf, const char *reply)
{
	const char *text = strchr(reply, ' ');

	text = text ? strchr(text + 1, ' ') : NULL;
	return fits(snprintf(buf, AUTH_ANSWER_MAX,
			     "HTTP/1.1 200 OK\r\nAuth-Status: %s\r\nAuth-Error-Code: %.*s\r\n" END,
			     text ? text + 1 : "overloaded", text ? (int)(text - reply) : 9,
			     text ? reply : "451 4.3.2"));
}

size_t auth_bad(char *buf)
{
	return fits(snprintf(buf, AUTH_ANSWER_MAX, "HTTP/1.1 400 Bad Request\r\n" END));
}
