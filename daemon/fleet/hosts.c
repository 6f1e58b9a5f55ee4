#include "fleet/hosts.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/fleet_host.h"

#define FORGET_US (3600 * US_PER_S)

struct hosts {
	unsigned count;
	struct fleet_host host[FLEET_HOSTS]; /* by name */
	uint64_t heard_us[FLEET_HOSTS]; /* by the clock of this host */
};

struct hosts *hosts_new(void)
{
	return calloc(1, sizeof(struct hosts));
}

void hosts_free(struct hosts *h)
{
	free(h);
}

void hosts_hear(struct hosts *h, const struct fleet_host *host, uint64_t realtime_us)
{
	unsigned at = 0;

	if (host->realtime_us > realtime_us + FLEET_AHEAD_S * US_PER_S ||
	    host->realtime_us + FORGET_US < realtime_us)
		return;
	while (at < h->count && strcmp(h->host[at].name, host->name) < 0)
		at++;
	if (at < h->count && strcmp(h->host[at].name, host->name) == 0) {
		if (host->realtime_us > h->host[at].realtime_us) {
			h->host[at] = *host;
			h->heard_us[at] = realtime_us;
		}
		return;
	}
	if (h->count == FLEET_HOSTS)
		return;
	memmove(&h->host[at + 1], &h->host[at], (h->count - at) * sizeof(h->host[0]));
	memmove(&h->heard_us[at + 1], &h->heard_us[at], (h->count - at) * sizeof(h->heard_us[0]));
	h->host[at] = *host;
	h->heard_us[at] = realtime_us;
	h->count++;
}

void hosts_forget(struct hosts *h, uint64_t realtime_us)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < h->count; i++)
		if (h->host[i].realtime_us + FORGET_US >= realtime_us &&
		    h->host[i].realtime_us <= realtime_us + FLEET_AHEAD_S * US_PER_S) {
			h->heard_us[kept] = h->heard_us[i];
			h->host[kept++] = h->host[i];
		}
	h->count = kept;
}

/* Whether a report is recent. The host's clock may differ by as much as is allowed for records of
 * the ledger. With a larger difference its messages are ignored. */
static bool is_current(const struct hosts *h, unsigned i, uint64_t realtime_us)
{
	return realtime_us - h->heard_us[i] < FLEET_HEARD_US &&
	       h->host[i].realtime_us + FLEET_AHEAD_S * US_PER_S > realtime_us;
}

bool hosts_have_room(const struct hosts *h, uint64_t own_id, uint64_t realtime_us)
{
	for (unsigned i = 0; i < h->count; i++)
		if (h->host[i].id != own_id && is_current(h, i, realtime_us) &&
		    fleet_host_has_room(&h->host[i]))
			return true;
	return false;
}

unsigned hosts_list(const struct hosts *h, uint64_t own_id, uint64_t realtime_us,
		    struct fleet_line *ret)
{
	for (unsigned i = 0; i < h->count; i++) {
		uint64_t then_us = h->host[i].realtime_us;

		ret[i] = (struct fleet_line){
			.host = h->host[i],
			.own = h->host[i].id == own_id,
			.age_s = realtime_us > then_us
					 ? (uint32_t)((realtime_us - then_us) / US_PER_S)
					 : 0
		};
	}
	return h->count;
}
