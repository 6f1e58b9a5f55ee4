/* The hosts of the fleet, as each says that it is. */
#ifndef PENSTOCK_FLEET_HOSTS_H
#define PENSTOCK_FLEET_HOSTS_H

#include <stdbool.h>

#include "core/fleet.h"

#define FLEET_SILENT_S 10 /* a host that has said nothing for so long does not count */

struct hosts;

struct fleet_line {
	struct fleet_host host;
	uint32_t age_s; /* since it said so, by the clocks of both */
	bool own;
};

struct hosts *hosts_new(void);
/* What one says; older words than those known are not taken. A full list takes no further hosts. */
void hosts_hear(struct hosts *hosts, const struct fleet_host *host, uint64_t realtime_us);
/* Whether one that is not `own_id` has room, by what was heard in the last seconds. */
bool hosts_have_room(const struct hosts *hosts, uint64_t own_id, uint64_t realtime_us);
/* Who has been silent for an hour is forgotten. */
void hosts_forget(struct hosts *hosts, uint64_t realtime_us);
/* By name; FLEET_HOSTS fit into `ret`. Returns how many. */
unsigned hosts_list(const struct hosts *hosts, uint64_t own_id, uint64_t realtime_us,
		    struct fleet_line *ret);
void hosts_free(struct hosts *hosts);

#endif
