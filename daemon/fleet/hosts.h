/* The hosts of the fleet, as each reports itself. */
#ifndef PENSTOCK_FLEET_HOSTS_H
#define PENSTOCK_FLEET_HOSTS_H

#include <stdbool.h>

#include "core/fleet.h"

#define FLEET_SILENT_S 10 /* a host that has been silent for so long does not count */

struct hosts;

struct fleet_line {
	struct fleet_host host;
	uint32_t age_s; /* age of the report, by the clocks of both hosts */
	bool own;
};

struct hosts *hosts_new(void);
/* Takes the report of a host, unless a newer one is known. A full list takes no further hosts. */
void hosts_hear(struct hosts *hosts, const struct fleet_host *host, uint64_t realtime_us);
/* Whether a host other than `own_id` has room, by reports of the last seconds. */
bool hosts_have_room(const struct hosts *hosts, uint64_t own_id, uint64_t realtime_us);
/* Forgets hosts that were silent for an hour, and reports from the future: the clock of this host
 * was set back, and no report would be newer for as long. */
void hosts_forget(struct hosts *hosts, uint64_t realtime_us);
/* Lists the hosts by name; `ret` has room for FLEET_HOSTS. Returns how many. */
unsigned hosts_list(const struct hosts *hosts, uint64_t own_id, uint64_t realtime_us,
		    struct fleet_line *ret);
void hosts_free(struct hosts *hosts);

#endif
