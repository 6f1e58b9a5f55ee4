#include "refuse/refusals.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/address.h"
#include "base/log.h"
#include "core/message.h"

/* Syslog facility "mail": rsyslog and journald store these lines beside those of the mail
 * server. */
#define FIELDS "SYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=penstock-refusals\n"

/* The reply that clients got, without CRLF; empty: there was none. */
static void reply_of(const struct refusals *r, enum reason reason, char *ret, size_t size)
{
	char line[REPLY_MAX + 1] = "";

	if (r->by.style)
		reply_line(line, sizeof(line), r->by.code, r->by.style, reason, r->until_us);
	snprintf(ret, size, "%.*s", (int)strcspn(line, "\r\n"), line);
}

static void say_source(const struct refusals *r, const struct in6_addr *source, unsigned count,
		       enum reason reason)
{
	char address[INET6_ADDRSTRLEN], reply[256], fields[512];

	reply_of(r, reason, reply, sizeof(reply));
	address_print(source, address);
	snprintf(fields, sizeof(fields),
		 FIELDS
		 "PENSTOCK_SOURCE=%s\nPENSTOCK_REASON=%s\nPENSTOCK_COUNT=%u\nPENSTOCK_FRONT=%s\n"
		 "PENSTOCK_SERVICE=%s\nPENSTOCK_REPLY=%s",
		 address, reason_name(reason), count, r->by.front ? r->by.front : "",
		 r->by.service ? r->by.service : "", reply);
	log_event(LOG_LEVEL_INFO, MESSAGE_REFUSED, fields,
		  "deferred %s: %u connection%s, reason %s", address, count, count == 1 ? "" : "s",
		  reason_name(reason));
}

static void say_rest(const struct refusals *r, unsigned sources, uint64_t connections)
{
	char fields[256];

	snprintf(
		fields, sizeof(fields),
		FIELDS
		"PENSTOCK_SUPPRESSED=%u\nPENSTOCK_COUNT=%llu\nPENSTOCK_FRONT=%s\nPENSTOCK_SERVICE=%s",
		sources, (unsigned long long)(connections + r->others),
		r->by.front ? r->by.front : "", r->by.service ? r->by.service : "");
	log_event(
		LOG_LEVEL_INFO, MESSAGE_REFUSED, fields,
		"deferred %u more sources (%llu connections), and %llu connections of sources that were not told apart",
		sources, (unsigned long long)connections, (unsigned long long)r->others);
}

void refusals_flush(struct refusals *r, uint64_t epoch)
{
	unsigned lines = 0, rest = 0;
	struct refusals_by by = r->by;
	uint64_t connections = 0;

	if (r->epoch == epoch || (!r->used && !r->others)) {
		r->epoch = epoch;
		return;
	}
	for (unsigned i = 0; i < REFUSALS_SOURCES; i++) {
		if (!r->source[i].count)
			continue;
		if (lines++ >= REFUSALS_LINES) {
			rest++;
			connections += r->source[i].count;
			continue;
		}
		say_source(r, &r->source[i].address, r->source[i].count,
			   (enum reason)r->source[i].reason);
	}
	if (rest || r->others)
		say_rest(r, rest, connections);
	memset(r, 0, sizeof(*r));
	r->by = by;
	r->epoch = epoch;
}

void refusals_add(struct refusals *r, uint64_t epoch, const struct in6_addr *address,
		  enum reason reason, uint64_t until_us)
{
	unsigned slot = (unsigned)(XXH3_64bits(address, sizeof(*address)) % REFUSALS_SOURCES);

	refusals_flush(r, epoch);
	r->until_us = until_us;
	for (unsigned probe = 0; probe < 8; probe++, slot = (slot + 1) % REFUSALS_SOURCES) {
		if (r->source[slot].count == 0) {
			r->source[slot].address = *address;
			r->used++;
		} else if (memcmp(&r->source[slot].address, address, sizeof(*address)) != 0) {
			continue;
		}
		r->source[slot].count++;
		r->source[slot].reason = (uint8_t)reason;
		return;
	}
	r->others++;
}
