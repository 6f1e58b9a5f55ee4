#include "front/line_codec.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "core/reply.h"

static const char word[] = "connect ";
#define WORD (sizeof(word) - 1)

/* False: no port number. */
static bool parse_port(const char *text, struct line_request *r)
{
	unsigned port = 0;

	for (; *text; text++) {
		if (*text < '0' || *text > '9' || port > 6553)
			return false;
		port = port * 10 + (unsigned)(*text - '0');
	}
	r->port = (uint16_t)port;
	return port <= 65535;
}

/* `line` is a whole one, without its end. */
static bool parse_line(char *line, struct line_request *r)
{
	char *address = line + WORD, *port;

	if (strncmp(line, word, WORD) != 0 || !*address || *address == ' ')
		return false;
	port = strchr(address, ' ');
	if (port)
		*port++ = 0;
	r->address_known = address_parse(address, &r->address) == 0;
	return !port || parse_port(port, r);
}

int line_parse(const char *bytes, size_t length, struct line_request *ret_request, size_t *ret_size)
{
	size_t most = length < LINE_REQUEST_MAX ? length : LINE_REQUEST_MAX, n;
	const char *end = memchr(bytes, '\n', most);
	struct line_request r = { 0 };
	char line[LINE_REQUEST_MAX];

	n = end ? (size_t)(end - bytes) : most;
	if (memchr(bytes, 0, n) || strncmp(bytes, word, n < WORD ? n : WORD) != 0)
		return -EBADMSG;
	if (!end)
		return length >= LINE_REQUEST_MAX ? -EMSGSIZE : 0;
	memcpy(line, bytes, n);
	line[n && line[n - 1] == '\r' ? n - 1 : n] = 0;
	if (!parse_line(line, &r))
		return -EBADMSG;
	*ret_request = r;
	*ret_size = n + 1;
	return 1;
}

size_t line_answer(char *buf, size_t size, const char *text, const char *hostname)
{
	size_t n = text ? reply_named(buf, size, text, hostname) : sizeof("220") - 1;

	if (n == 0 || n + 2 > size)
		return 0;
	if (!text)
		memcpy(buf, "220", n);
	memcpy(buf + n, "\n", 2);
	return n + 1;
}
