/* The findings of neighbours.c, as signals, and as a snapshot for the outputs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "sensor/neighbours.h"
#include "sensor/sensors.h"

struct state {
	struct neighbour_watch *watch;
	struct neighbours *snapshot; /* the registry's */
};

static int neighbours_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->snapshot = env->neighbours;
	r = neighbour_watch_open(env, &s->watch, why);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static int neighbours_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
			   char *why)
{
	static const enum signal uses[NEIGHBOUR_RESOURCES] = {
		[RESOURCE_CPU] = SIGNAL_NEIGHBOUR_CORES,
		[RESOURCE_MEMORY] = SIGNAL_NEIGHBOUR_MEM_BYTES,
		[RESOURCE_DISK] = SIGNAL_NEIGHBOUR_IO_BYTES_PER_S,
	};
	struct state *s = state;
	struct neighbours *n = s->snapshot;
	char lasting[DURATION_PRINTED];

	neighbour_watch_read(s->watch, n);
	if (!n->at_us)
		return 0;
	if (now_us > n->at_us + NEIGHBOURS_OLD_US) {
		memset(n->who, 0, sizeof(n->who));
		n->mail_io = -1;
		memset(&n->leak, 0, sizeof(n->leak));
		snprintf(why, SENSOR_WHY_MAX, "the control groups have not been read for %s",
			 duration_print_us(now_us - n->at_us, lasting));
		return -ETIMEDOUT;
	}
	if (n->more)
		snprintf(why, SENSOR_WHY_MAX, "there are more control groups than the %u looked at",
			 n->groups);
	for (int r = 0; r < NEIGHBOUR_RESOURCES; r++)
		if (n->who[r].known)
			sample_put(sample, uses[r], n->who[r].use, VIA_CGROUP);
	if (n->mail_io >= 0)
		sample_put(sample, SIGNAL_MTA_IO_COST_BYTES_PER_S, n->mail_io, VIA_CGROUP);
	if (n->leak.known)
		sample_put(sample, SIGNAL_LEAK_BYTES_PER_S, n->leak.growth_per_s, VIA_CGROUP);
	return 0;
}

static void neighbours_close(void *state)
{
	struct state *s = state;

	neighbour_watch_close(s->watch);
	memset(s->snapshot, 0, sizeof(*s->snapshot));
	free(s);
}

static const enum signal neighbour_signals[] = {
	SIGNAL_NEIGHBOUR_CORES,		SIGNAL_NEIGHBOUR_MEM_BYTES, SIGNAL_NEIGHBOUR_IO_BYTES_PER_S,
	SIGNAL_MTA_IO_COST_BYTES_PER_S, SIGNAL_LEAK_BYTES_PER_S,    SIGNAL__COUNT
};
const struct sensor_ops sensor_neighbours = { .name = "neighbours",
					      .provides = neighbour_signals,
					      .open = neighbours_open,
					      .poll = neighbours_poll,
					      .close = neighbours_close,
					      .interval_min_ms = 500 };
