/* What one penstockd hands over to the next through the service manager's descriptor store, so that
 * the count goes on. */
#include <string.h>
#include <unistd.h>

#include "kernel/gate_parts.h"

static const char *const map_names[MAP__COUNT] = { [MAP_STATE] = "gate-map-state",
						   [MAP_TICKETS] = "gate-map-tickets",
						   [MAP_SESSIONS] = "gate-map-sessions",
						   [MAP_HELD] = "gate-map-held" };
static const char *const link_names[LINK__COUNT] = {
	[LINK_LOOKUP] = "gate-lookup", [LINK_STATE] = "gate-state", [LINK_DESTROY] = "gate-destroy"
};

bool gate_keeps_map(enum gate_map map)
{
	return map_names[map] != NULL;
}

static int take(struct gate_options *o, const char *name)
{
	for (unsigned i = 0; i < o->kept_count; i++) {
		int fd = o->kept[i].fd;

		if (fd < 0 || !o->kept[i].name || strcmp(o->kept[i].name, name) != 0)
			continue;
		o->kept[i].fd = -1;
		return fd;
	}
	return -1;
}

int gate_take_map(struct gate_options *o, enum gate_map map)
{
	return gate_keeps_map(map) ? take(o, map_names[map]) : -1;
}

int gate_take_link(struct gate_options *o, enum gate_link link)
{
	return take(o, link_names[link]);
}

void gate_close_kept(struct gate_options *o)
{
	for (unsigned i = 0; i < o->kept_count; i++) {
		if (o->kept[i].fd >= 0)
			close(o->kept[i].fd);
		o->kept[i].fd = -1;
	}
}

unsigned gate_kept(const struct gate *g, const char *ret_names[GATE_KEPT], int ret_fds[GATE_KEPT])
{
	unsigned n = 0;

	for (int i = 0; i < LINK__COUNT; i++) {
		if (g->taken_over && i == LINK_LOOKUP)
			continue;
		ret_names[n] = link_names[i];
		ret_fds[n++] = g->link[i];
	}
	for (int i = 0; i < MAP__COUNT; i++) {
		if (g->taken_over || !map_names[i])
			continue;
		ret_names[n] = map_names[i];
		ret_fds[n++] = g->map[i];
	}
	return n;
}
