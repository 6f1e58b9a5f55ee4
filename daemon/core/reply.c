#include "core/reply.h"

#include <stdio.h>
#include <string.h>

/* 512 octets less "451 4.3.2 ", a name of 255, a space and CRLF. */
#define TEXT_MAX (REPLY_MAX - 10 - 255 - 1 - 2)

static const char *enhanced(enum reason reason)
{
	return reason == REASON_RATE || reason == REASON_SESSIONS || reason == REASON_REFUSED
		       ? "4.7.1"
		       : "4.3.2";
}

/* A window lasts a day at most, so the time of day is enough. Rounded up to a full minute, so that
 * a client that comes back then is not too early. */
static void time_of_day(char *buf, size_t size, uint64_t until_us)
{
	/* Both clocks say when the window ends, and they differ by some microseconds: round
	 * first. */
	uint64_t minutes = ((until_us + 500000) / 1000000 + 59) / 60;

	snprintf(buf, size, "%02u:%02u UTC", (unsigned)(minutes / 60 % 24),
		 (unsigned)(minutes % 60));
}

/* Some words ("try again later") make senders' tools throttle or suspend a whole destination. Only
 * a sender that sends too much may be told such words; tests/unit/test_reply.c has the list. */
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
		snprintf(buf, size,
			 "mail server not reachable at the moment, come back in a few minutes");
		break;
	case REASON_MAINTENANCE:
		if (until_us) {
			time_of_day(until, sizeof(until), until_us);
			snprintf(buf, size, "down for maintenance until %s", until);
		} else {
			snprintf(buf, size, "down for maintenance, come back in a few minutes");
		}
		break;
	default:
		snprintf(buf, size, "overloaded at the moment, come back in a few minutes");
	}
}

static unsigned safe_code(unsigned code)
{
	return code == 421 ? 421 : 451;
}

/* Appends what the operator chose: "(id cpu) https://...". */
static void append_style(char *text, size_t size, const struct reply_style *style,
			 enum reason reason)
{
	size_t n = strlen(text);

	if (style->reason_id && n < size)
		n += (size_t)snprintf(text + n, size - n, " (id %s)", reason_name(reason));
	if (style->help_url[0] && n < size)
		snprintf(text + n, size - n, " %s", style->help_url);
}

size_t reply_line(char *buf, size_t size, unsigned code, const struct reply_style *style,
		  enum reason reason, uint64_t until_us)
{
	char text[TEXT_MAX + 1];
	int n;

	sentence(text, sizeof(text), reason, until_us);
	append_style(text, sizeof(text), style, reason);
	n = snprintf(buf, size, "%u %s %.255s %s\r\n", safe_code(code), enhanced(reason),
		     style->hostname, text);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

size_t reply_text(char *buf, size_t size, unsigned code, const struct reply_style *style,
		  enum reason reason, uint64_t until_us)
{
	char text[TEXT_MAX + 1];
	int n;

	sentence(text, sizeof(text), reason, until_us);
	append_style(text, sizeof(text), style, reason);
	n = snprintf(buf, size, "%u %s %s", safe_code(code), enhanced(reason), text);
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

size_t reply_named(char *buf, size_t size, const char *text, const char *hostname)
{
	const size_t codes = sizeof("451 4.3.2 ") - 1;
	int n;

	if (strlen(text) < codes || !hostname[0])
		n = snprintf(buf, size, "%s", text);
	else
		n = snprintf(buf, size, "%.*s%.255s %s", (int)codes, text, hostname, text + codes);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
