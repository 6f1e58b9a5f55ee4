#include "kernel/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "kernel/gate_parts.h"
#include "kernel/netns.h"

_Static_assert(RESPONDER_MARK == GATE_MARK && GATE_WATCHED == GATE_PORTS, "one meaning");

static const char *const programs[LINK__COUNT] = {
	[LINK_LOOKUP] = "gate_lookup", [LINK_STATE] = "gate_state", [LINK_DESTROY] = "gate_destroy"
};

/* Called before anything is attached: no program reads the map yet, or only that of an earlier
 * daemon. */
static void fill_state(struct gate *g)
{
	struct gate_state *s = g->state;

	s->layout = GATE_LAYOUT;
	s->service = g->options.service;
	s->beside = g->options.beside;
	s->netns_inum = g->netns_fd >= 0 ? netns_inum(g->netns_fd) : 0;
	s->loopback = g->options.loopback;
	s->paused = s->answer_all = 0;
	s->share = s->pending_max = s->pending_usual = PLAN_UNLIMITED;
	s->pending_then = s->pending_likely = s->waiting_then = s->pending;
	s->trusted_count = s->refused_count = s->ranked = 0;
	memcpy(s->ports, g->options.ports, sizeof(s->ports));
	__atomic_store_n(&s->enabled, 1, __ATOMIC_RELEASE);
}

/* Attaches the counting programs first and the verdicts after them: otherwise a session would not
 * be counted. */
static int attach(struct gate *g, char *why)
{
	int old[LINK__COUNT], r = 0, fd;

	for (int i = 0; i < LINK__COUNT; i++)
		old[i] = gate_take_link(&g->options, (enum gate_link)i);
	for (int i = LINK_STATE; i <= LINK_DESTROY && r == 0; i++) {
		fd = bpf_raw_tracepoint_open(NULL, gate_program_fd(g, programs[i]));
		g->link[i] = fd;
		r = fd < 0 ? -errno : 0;
	}
	if (r == 0)
		gate_audit(g); /* counts the sessions that are there already */
	fd = gate_program_fd(g, programs[LINK_LOOKUP]);
	if (r == 0 && old[LINK_LOOKUP] >= 0 && bpf_link_update(old[LINK_LOOKUP], fd, NULL) == 0) {
		g->link[LINK_LOOKUP] = old[LINK_LOOKUP];
		old[LINK_LOOKUP] = -1;
	} else if (r == 0) {
		g->taken_over = false;
		g->link[LINK_LOOKUP] = bpf_link_create(fd, g->netns_fd, BPF_SK_LOOKUP, NULL);
		r = g->link[LINK_LOOKUP] < 0 ? -errno : 0;
	}
	/* Two programs at once do not count twice. This also removes an old lookup program in
	 * another namespace. */
	for (int i = 0; i < LINK__COUNT; i++)
		if (old[i] >= 0)
			close(old[i]);
	if (r < 0)
		gate_say_why(r, why);
	return r;
}

/* Opens the listeners that drop SYNs. The gate works without them, but then the first half second
 * of a flood keeps new senders out. */
static void open_deaf(struct gate *g)
{
	gate_deaf_open(g->netns_fd, g->deaf_fd);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t slot = GATE_DEAF_V4 + i;
		uint64_t value = (uint64_t)g->deaf_fd[i];
		int r = g->deaf_fd[i];

		if (r >= 0 &&
		    bpf_map_update_elem(g->map[MAP_LISTENERS], &slot, &value, BPF_ANY) < 0)
			r = -errno;
		/* A host may have no IPv6. */
		if (r < 0 && r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
			log_info(
				"Cannot open the gate's listener that drops SYNs (IPv%d): %s. In the first half second of a SYN flood new senders may hear 451. Nothing needs to be done.",
				i == 0 ? 4 : 6, strerror(-r));
	}
}

int gate_open(const struct gate_options *options, struct gate **ret_gate, char *why)
{
	struct gate *g = calloc(1, sizeof(*g));
	int r;

	if (!g) {
		struct gate_options o = *options;

		gate_close_kept(&o);
		return -ENOMEM;
	}
	g->options = *options;
	g->walk_fd = g->deaf_fd[0] = g->deaf_fd[1] = g->expire_fd = g->forget_fd = -1;
	memset(g->map, -1, sizeof(g->map));
	memset(g->link, -1, sizeof(g->link));
	g->netns_fd = options->netns_fd >= 0 ? fcntl(options->netns_fd, F_DUPFD_CLOEXEC, 3)
					     : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (g->netns_fd < 0) {
		r = -errno;
		snprintf(why, 256, "the network namespace cannot be held: %s", strerror(errno));
	} else {
		r = gate_load(g, why);
	}
	if (r == 0)
		fill_state(g);
	if (r == 0)
		open_deaf(g);
	if (r == 0)
		r = gate_listeners(g, options->listener_v4, options->listener_v6);
	if (r == 0)
		r = attach(g, why);
	gate_close_kept(&g->options);
	if (r == 0)
		r = gate_audit_start(g);
	if (r < 0) {
		if (!why[0])
			snprintf(why, 256, "%s", strerror(-r));
		gate_close(g, false);
		return r;
	}
	*ret_gate = g;
	return 0;
}

void gate_close(struct gate *g, bool keep)
{
	if (!g)
		return;
	gate_audit_stop(g);
	if (g->state && !keep)
		__atomic_store_n(&g->state->enabled, 0, __ATOMIC_RELEASE);
	for (int i = 0; i < LINK__COUNT; i++) {
		if (g->link[i] < 0)
			continue;
		if (!keep && i == LINK_LOOKUP)
			bpf_link_detach(g->link[i]);
		close(g->link[i]);
	}
	ring_buffer__free(g->ring);
	if (g->state)
		munmap(g->state, g->state_size);
	bpf_object__close(g->object);
	for (int i = 0; i < 2; i++)
		if (g->deaf_fd[i] >= 0)
			close(g->deaf_fd[i]);
	if (g->netns_fd >= 0)
		close(g->netns_fd);
	free(g->per_cpu);
	free(g);
}

int gate_listeners(struct gate *g, int listener_v4, int listener_v6)
{
	const int fds[2] = { listener_v4, listener_v6 };
	int r = 0;

	for (uint32_t i = 0; i < 2; i++) {
		uint64_t value = (uint64_t)fds[i];

		if (fds[i] < 0)
			bpf_map_delete_elem(g->map[MAP_LISTENERS], &i);
		else if (bpf_map_update_elem(g->map[MAP_LISTENERS], &i, &value, BPF_ANY) < 0)
			r = -errno;
	}
	return r;
}

void gate_view(const struct gate *g, struct gate_view *ret)
{
	const struct gate_state *s = g->state;

	memset(ret, 0, sizeof(*ret));
	ret->form = g->form;
	ret->lookups_stale = s->lookups_stale;
	ret->passed_full = s->passed_full;
	ret->passed_closed = s->passed_closed;
	ret->tickets_expired = g->expired;
	ret->events_lost = s->events_lost;
	ret->sessions_lost = s->sessions_lost;
	ret->repaired = __atomic_load_n(&g->repaired, __ATOMIC_RELAXED);
	ret->tickets = g->tickets;
	ret->sessions = s->sessions > 0 ? (uint32_t)s->sessions : 0;
	ret->syns_fail = g->judge.flood;
	ret->taken_over = g->taken_over;
}
