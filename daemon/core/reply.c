#include "core/reply.h"

#include <stdio.h>
#include <time.h>

static const char *enhanced(enum reason reason)
{
	return reason == REASON_SOURCE ? "4.7.1" : "4.3.2";
}

static void sentence(char *buf, size_t size, enum reason reason, uint64_t until_us)
{
	time_t seconds = (time_t)(until_us / 1000000);
	struct tm tm;

	switch (reason) {
	case REASON_SOURCE:
		snprintf(buf, size, "too much mail from your address, try again later");
		break;
	case REASON_DRAIN:
		snprintf(buf, size, "server shutdown in progress");
		break;
	case REASON_BACKEND:
		snprintf(buf, size, "mail server not reachable, try again later");
		break;
	case REASON_MAINTENANCE:
		if (until_us && gmtime_r(&seconds, &tm))
			strftime(buf, size, "down for maintenance until %Y-%m-%dT%H:%M:%SZ", &tm);
		else
			snprintf(buf, size, "down for maintenance, try again later");
		break;
	default:
		snprintf(buf, size, "overloaded, try again later");
	}
}

static unsigned safe_code(unsigned code)
{
	return code == 421 ? 421 : 451;
}

size_t reply_line(char *buf, size_t size, unsigned code, const char *hostname, enum reason reason,
		  uint64_t until_us)
{
	char text[128];
	int n;

	sentence(text, sizeof(text), reason, until_us);
	/* A hostname has at most 255 octets: the line stays under REPLY_MAX. */
	n = snprintf(buf, size, "%u %s %.255s %s\r\n", safe_code(code), enhanced(reason), hostname,
		     text);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

size_t reply_text(char *buf, size_t size, unsigned code, enum reason reason, uint64_t until_us)
{
	char text[128];
	int n;

	sentence(text, sizeof(text), reason, until_us);
	n = snprintf(buf, size, "%u %s %s", safe_code(code), enhanced(reason), text);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}
