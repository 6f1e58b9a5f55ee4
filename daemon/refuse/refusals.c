#include "refuse/refusals.h"

#include <arpa/inet.h>
#include <string.h>
#include <xxhash.h>

#include "base/log.h"

#define MAIL_FACILITY "SYSLOG_FACILITY=2"
#define MESSAGE_REFUSED "8c4f5b0d2f6e4a7b9d1c3e5f7a9b1c2d"

void refusals_flush(struct refusals *r, uint64_t epoch)
{
	char address[INET6_ADDRSTRLEN];
	unsigned lines = 0, rest = 0;

	if (r->epoch == epoch || (!r->used && !r->others)) {
		r->epoch = epoch;
		return;
	}
	for (unsigned i = 0; i < REFUSALS_SOURCES; i++) {
		const struct in6_addr *a = &r->source[i].address;

		if (!r->source[i].count)
			continue;
		if (lines++ >= REFUSALS_LINES) {
			rest++;
			continue;
		}
		if (IN6_IS_ADDR_V4MAPPED(a))
			inet_ntop(AF_INET, &a->s6_addr[12], address, sizeof(address));
		else
			inet_ntop(AF_INET6, a, address, sizeof(address));
		log_event(LOG_LEVEL_INFO, MESSAGE_REFUSED, MAIL_FACILITY,
			  "deferred %s: %u connection%s, reason %s", address, r->source[i].count,
			  r->source[i].count == 1 ? "" : "s",
			  reason_name((enum reason)r->source[i].reason));
	}
	if (rest || r->others)
		log_event(
			LOG_LEVEL_INFO, MESSAGE_REFUSED, MAIL_FACILITY,
			"deferred %u more sources, and %llu connections of sources that were not told apart",
			rest, (unsigned long long)r->others);
	memset(r, 0, sizeof(*r));
	r->epoch = epoch;
}

void refusals_add(struct refusals *r, uint64_t epoch, const struct in6_addr *address,
		  enum reason reason)
{
	unsigned slot = (unsigned)(XXH3_64bits(address, sizeof(*address)) % REFUSALS_SOURCES);

	refusals_flush(r, epoch);
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
