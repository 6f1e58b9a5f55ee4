#include "front/smtpd_codec.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "core/reply.h"

/* filter, version, time, smtp-in, connect, session, token, name, address */
#define FIELDS 9

/* False: the field is not an identifier of 1 to 16 hexadecimal digits. */
static bool take_id(const char *field, char id[17])
{
	size_t n = strspn(field, "0123456789abcdefABCDEF");

	if (n == 0 || n > 16 || field[n])
		return false;
	memcpy(id, field, n + 1);
	return true;
}

/* "192.0.2.7", "[2001:db8::7]", "IPv6:2001:db8::7", each with or without ":PORT". False: no
 * address, such as "local". */
static bool take_address(char *field, struct in6_addr *ret)
{
	char *end = NULL, *port;

	if (*field == '[') {
		end = strchr(++field, ']');
	} else {
		port = strchr(field, ':');
		if (port && strchr(field, '.') && !strchr(port + 1, ':'))
			end = port;
	}
	if (end)
		*end = 0;
	if (strncasecmp(field, "IPv6:", 5) == 0)
		field += 5;
	return address_parse(field, ret) == 0;
}

static void parse_filter(char *text, struct smtpd_line *l)
{
	char *field[FIELDS], *at = text;
	unsigned count = 0;

	/* A name that contains a bar does no harm: the address is what follows the last bar. */
	while (at && count < FIELDS) {
		field[count++] = at;
		at = strchr(at, '|');
		if (at)
			*at++ = 0;
	}
	if (count < FIELDS || strcmp(field[3], "smtp-in") != 0 || strcmp(field[4], "connect") != 0)
		return;
	if (!take_id(field[5], l->session) || !take_id(field[6], l->token))
		return;
	while (at) {
		field[FIELDS - 1] = at;
		at = strchr(at, '|');
		if (at)
			at++;
	}
	l->kind = SMTPD_CONNECT;
	l->address_known = take_address(field[FIELDS - 1], &l->address);
}

int smtpd_parse(const char *bytes, size_t length, struct smtpd_line *ret_line, size_t *ret_size)
{
	size_t most = length < SMTPD_LINE_MAX ? length : SMTPD_LINE_MAX, n;
	const char *end = memchr(bytes, '\n', most);
	struct smtpd_line l = { .kind = SMTPD_OTHER };
	char text[SMTPD_LINE_MAX];

	if (!end && length < SMTPD_LINE_MAX)
		return 0;
	n = end ? (size_t)(end - bytes) : most;
	*ret_size = end ? n + 1 : n;
	if (end && !memchr(bytes, 0, n)) {
		memcpy(text, bytes, n);
		text[n] = 0;
		if (strcmp(text, "config|ready") == 0)
			l.kind = SMTPD_READY;
		else if (strncmp(text, "filter|", 7) == 0)
			parse_filter(text, &l);
	}
	*ret_line = l;
	return 1;
}

const char *smtpd_register(void)
{
	return "register|filter|smtp-in|connect\nregister|ready\n";
}

static bool is_reply(const char *reply)
{
	size_t n = strlen(reply);

	if (n < 5 || n > REPLY_MAX ||
	    (strncmp(reply, "451 4", 5) != 0 && strncmp(reply, "421 4", 5) != 0))
		return false;
	for (size_t i = 0; i < n; i++)
		if (reply[i] < ' ' || reply[i] > '~')
			return false;
	return true;
}

size_t smtpd_answer(char *buf, const struct smtpd_line *line, const char *reply)
{
	bool defer = reply && is_reply(reply);
	int n = snprintf(buf, SMTPD_ANSWER_MAX, "filter-result|%s|%s|%s%s\n", line->session,
			 line->token, defer ? "disconnect|" : "proceed", defer ? reply : "");

	return n > 0 ? (size_t)n : 0;
}
