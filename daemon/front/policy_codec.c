#include "front/policy_codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"

static bool is(const char *name, size_t length, const char *wanted)
{
	return strlen(wanted) == length && memcmp(name, wanted, length) == 0;
}

static void parse_address(const char *value, size_t length, struct policy_request *r)
{
	char text[INET6_ADDRSTRLEN];

	if (length >= sizeof(text))
		return;
	memcpy(text, value, length);
	text[length] = 0;
	if (address_parse(text, &r->address) == 0)
		r->address_known = true;
}

static void parse_port(const char *value, size_t length, struct policy_request *r)
{
	unsigned port = 0;

	for (size_t i = 0; i < length; i++) {
		if (value[i] < '0' || value[i] > '9' || port > 6553)
			return;
		port = port * 10 + (unsigned)(value[i] - '0');
	}
	r->port = port <= 65535 ? (uint16_t)port : 0;
}

static void parse_instance(const char *value, size_t length, struct policy_request *r)
{
	const char *dot = memrchr(value, '.', length);
	size_t n = dot ? (size_t)(dot - value) : length;

	if (n >= sizeof(r->session))
		n = sizeof(r->session) - 1;
	memcpy(r->session, value, n);
	r->session[n] = 0;
}

/* One name=value line; false: the request is not one of this protocol. */
static bool parse_line(const char *line, size_t length, struct policy_request *r, bool *ret_policy)
{
	const char *equals = memchr(line, '=', length), *value;
	size_t name, rest;

	if (!equals || equals == line)
		return false;
	value = equals + 1;
	name = (size_t)(equals - line);
	rest = length - name - 1;
	if (is(line, name, "request")) {
		*ret_policy = is(value, rest, "smtpd_access_policy");
		return *ret_policy;
	}
	if (is(line, name, "client_address"))
		parse_address(value, rest, r);
	else if (is(line, name, "client_port"))
		parse_port(value, rest, r);
	else if (is(line, name, "instance"))
		parse_instance(value, rest, r);
	return true;
}

#ifdef PENSTOCK_PLANTED_OVERREAD
/* Only for the test of the fuzzers, in a build of its own: reads one byte too far. */
#define PLANTED 1
#else
#define PLANTED 0
#endif

/* Postfix ends its lines with LF; telnet, with which people test a policy service, with CR LF. 1:
 * there is a CR to leave out. */
static size_t carriage(const char *line, size_t length)
{
	return length && line[length - 1] == '\r';
}

int policy_parse(const char *bytes, size_t length, struct policy_request *ret_request,
		 size_t *ret_size)
{
	struct policy_request r = { 0 };
	bool policy = false;
	size_t at = 0;

	for (;;) {
		const char *end = memchr(bytes + at, '\n', length - at);
		size_t line = end ? (size_t)(end - bytes) - at : length - at;

		if (at + line >= POLICY_REQUEST_MAX)
			return -EMSGSIZE;
		if (!end)
			return memchr(bytes + at, 0, line + PLANTED) ? -EBADMSG : 0;
		if (line - carriage(bytes + at, line) == 0)
			break;
		if (memchr(bytes + at, 0, line) ||
		    !parse_line(bytes + at, line - carriage(bytes + at, line), &r, &policy))
			return -EBADMSG;
		at += line + 1;
	}
	if (!policy)
		return -EBADMSG;
	*ret_request = r;
	*ret_size = (size_t)((const char *)memchr(bytes + at, '\n', length - at) - bytes) + 1;
	return 1;
}

size_t policy_action(char *buf, size_t size, const char *text)
{
	int n = snprintf(buf, size, "action=%s\n\n", text);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
