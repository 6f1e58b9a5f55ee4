#include "core/reply.h"

#include <stdio.h>

static const char *enhanced(enum reason reason)
{
	return reason == REASON_RATE || reason == REASON_SESSIONS || reason == REASON_REFUSED
		       ? "4.7.1"
		       : "4.3.2";
}

/* UTC in RFC 3339, by arithmetic alone: gmtime_r() would open a file. Days to a civil date: H. Hinnant, chrono-compatible
 * low-level date algorithms. */
static void utc(char *buf, size_t size, uint64_t seconds)
{
	uint64_t days = seconds / 86400 + 719468, of_day = seconds % 86400;
	uint64_t era = days / 146097, day = days % 146097;
	uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint64_t of_year = day - (365 * year + year / 4 - year / 100);
	uint64_t m = (5 * of_year + 2) / 153;
	unsigned month = (unsigned)(m < 10 ? m + 3 : m - 9);

	snprintf(buf, size, "%04llu-%02u-%02uT%02u:%02u:%02uZ",
		 (unsigned long long)((year + era * 400 + (month <= 2)) % 10000), month,
		 (unsigned)(of_year - (153 * m + 2) / 5 + 1), (unsigned)(of_day / 3600),
		 (unsigned)(of_day / 60 % 60), (unsigned)(of_day % 60));
}

static void sentence(char *buf, size_t size, enum reason reason, uint64_t until_us)
{
	char until[32];

	switch (reason) {
	case REASON_RATE:
		snprintf(buf, size, "too much mail from your address, try again later");
		break;
	case REASON_SESSIONS:
		snprintf(buf, size, "too many connections from your address, try again later");
		break;
	case REASON_REFUSED:
		snprintf(buf, size, "mail from your address is not taken now, try again later");
		break;
	case REASON_DRAIN:
		snprintf(buf, size, "server shutdown in progress");
		break;
	case REASON_BACKEND:
		snprintf(buf, size, "mail server not reachable, try again later");
		break;
	case REASON_MAINTENANCE:
		if (until_us) {
			utc(until, sizeof(until), until_us / 1000000);
			snprintf(buf, size, "down for maintenance until %s", until);
		} else {
			snprintf(buf, size, "down for maintenance, try again later");
		}
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
