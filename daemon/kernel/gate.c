#include "kernel/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/gate_parts.h"
#include "kernel/netns.h"

#include "gate.skel.h"
#include "gate_old.skel.h"

_Static_assert(RESPONDER_MARK == GATE_MARK && GATE_WATCHED == GATE_PORTS, "one meaning");

static const struct {
	const char *name;
	bool kept; /* so that the count goes on under the next daemon */
} maps[MAP__COUNT] = { [MAP_STATE] = { NULL, true }, /* .bss, whatever the object is called */
		       [MAP_TICKETS] = { "tickets", true },
		       [MAP_SESSIONS] = { "sessions", true },
		       [MAP_REFUSED] = { "refused", false },
		       [MAP_RECENTLY_CLOSED] = { "recently_closed", false },
		       [MAP_LISTENERS] = { "listeners", false },
		       [MAP_POSTPONED] = { "postponed", false },
		       [MAP_TRUSTED_NETWORKS] = { "trusted_networks", false },
		       [MAP_REFUSED_NETWORKS] = { "refused_networks", false },
		       [MAP_RANKS] = { "ranks", false },
		       [MAP_HELD] = { "held", true },
		       [MAP_HEARING] = { "hearing", false },
		       [MAP_TOLD] = { "told", false },
		       [MAP_COUNTERS] = { "counters", false },
		       [MAP_EVENTS] = { "events", false } };

static const struct {
	const char *program, *kept;
} links[LINK__COUNT] = { [LINK_LOOKUP] = { "gate_lookup", "gate-lookup" },
			 [LINK_STATE] = { "gate_state", "gate-state" },
			 [LINK_DESTROY] = { "gate_destroy", "gate-destroy" } };

static const char *const kept_maps[MAP__COUNT] = { [MAP_STATE] = "gate-map-state",
						   [MAP_TICKETS] = "gate-map-tickets",
						   [MAP_SESSIONS] = "gate-map-sessions",
						   [MAP_HELD] = "gate-map-held" };

static const struct form {
	const char *name;
	const void *(*bytes)(size_t *size);
} forms[] = { { "sk_lookup", gate_bpf__elf_bytes },
	      { "sk_lookup, without fetching atomics", gate_old_bpf__elf_bytes } };

static struct bpf_map *find_map(struct bpf_object *object, enum gate_map which)
{
	struct bpf_map *map;

	if (maps[which].name)
		return bpf_object__find_map_by_name(object, maps[which].name);
	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map), *dot = strchr(name, '.');

		/* Its name shows that the probe's shared map is the .bss of another object. */
		if (dot && strcmp(dot, ".bss") == 0 && bpf_map__is_internal(map))
			return map;
	}
	return NULL;
}

/* ---- what an earlier daemon left ------------------------------------------------------------ */

static int take_kept(struct gate_options *o, const char *name)
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

static void close_kept(struct gate_options *o)
{
	for (unsigned i = 0; i < o->kept_count; i++) {
		if (o->kept[i].fd >= 0)
			close(o->kept[i].fd);
		o->kept[i].fd = -1;
	}
}

static bool map_fits(int fd, const struct bpf_map *map)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
	       info.type == (uint32_t)bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

static struct gate_state *map_state(int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* All or none: the count is useless without the sessions that it counts. */
static bool reuse_maps(struct gate *g, const int kept[MAP__COUNT])
{
	struct gate_state *state;
	bool fits;

	for (int i = 0; i < MAP__COUNT; i++)
		if (maps[i].kept && !map_fits(kept[i], find_map(g->object, (enum gate_map)i)))
			return false;
	state = map_state(kept[MAP_STATE], sizeof(*state));
	fits = state && state->layout == GATE_LAYOUT;
	if (state)
		munmap(state, sizeof(*state));
	if (!fits)
		return false;
	for (int i = 0; i < MAP__COUNT; i++)
		if (maps[i].kept &&
		    bpf_map__reuse_fd(find_map(g->object, (enum gate_map)i), kept[i]) < 0)
			return false;
	return true;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void say_why(int error, char *why)
{
	const char *cause =
		error == -EPERM
			? "it needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN (before Linux 5.11 LimitMEMLOCK=infinity too)"
		: error == -ENOENT || error == -ESRCH
			? "this kernel has no BTF of itself (CONFIG_DEBUG_INFO_BTF)"
		: error == -EINVAL || error == -EACCES
			? "this kernel does not take the program (it needs sk_lookup, 5.9, and tracing by BTF)"
		: error == -ENOMEM ? "the kernel has no memory for it"
				   : strerror(-error);

	snprintf(why, 256, "%s; penstock-proxy does without it", cause);
}

/* Before loading, replaces our map by the probe's: the program then reads the count where the probe
 * keeps it. */
static void share_probe(struct gate *g)
{
	struct gate_probe_place place = { g->options.live.at, g->options.live.slots }, *to;
	struct bpf_map *map;
	size_t size = 0;

	if (!place.slots)
		return;
	bpf_object__for_each_map(map, g->object)
	{
		const char *dot = strchr(bpf_map__name(map), '.');

		if (!dot || strcmp(dot, ".rodata") != 0)
			continue;
		to = (void *)(uintptr_t)bpf_map__initial_value(map, &size);
		if (to && size == sizeof(place) &&
		    bpf_map__reuse_fd(bpf_object__find_map_by_name(g->object, "smtp_probe"),
				      g->options.live.map_fd) == 0)
			*to = place;
	}
}

static int load_form(struct gate *g, const struct form *form, const int kept[MAP__COUNT])
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "gate");
	size_t size = 0;
	const void *bytes = form->bytes(&size);
	int r;

	g->object = bpf_object__open_mem(bytes, size, &opts);
	if (!g->object)
		return -errno;
	g->taken_over = reuse_maps(g, kept);
	share_probe(g);
	r = bpf_object__load(g->object);
	if (r < 0) {
		bpf_object__close(g->object);
		g->object = NULL;
		return r;
	}
	g->form = form->name;
	return 0;
}

static int program_fd(struct gate *g, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(g->object, name));
}

static int load_any_form(struct gate *g, const int kept[MAP__COUNT])
{
	int r = -EINVAL;

	for (unsigned i = 0; i < sizeof(forms) / sizeof(*forms) && r < 0; i++)
		r = load_form(g, &forms[i], kept);
	return r;
}

static int load(struct gate *g, char *why)
{
	int kept[MAP__COUNT], r;

	for (int i = 0; i < MAP__COUNT; i++)
		kept[i] = maps[i].kept ? take_kept(&g->options, kept_maps[i]) : -1;
	r = load_any_form(g, kept);
	if (r < 0 && g->options.live.slots) {
		/* A gate without the probe's count is better than no gate. */
		g->options.live.slots = 0;
		r = load_any_form(g, kept);
		if (r == 0)
			log_info(
				"the gate learns once a tick who waits for a greeting: this kernel does not share the probe's count");
	}
	for (int i = 0; i < MAP__COUNT; i++)
		if (kept[i] >= 0)
			close(kept[i]);
	if (r < 0) {
		say_why(r, why);
		return r;
	}
	for (int i = 0; i < MAP__COUNT; i++)
		g->map[i] = bpf_map__fd(find_map(g->object, (enum gate_map)i));
	g->expire_fd = program_fd(g, "gate_expire");
	g->forget_fd = program_fd(g, "gate_forget");
	g->state_size = sizeof(*g->state);
	g->state = map_state(g->map[MAP_STATE], g->state_size);
	g->ring = ring_buffer__new(g->map[MAP_EVENTS], gate_event_read, g, NULL);
	g->cpus = libbpf_num_possible_cpus();
	g->per_cpu = calloc(g->cpus > 0 ? (size_t)g->cpus : 1, sizeof(*g->per_cpu));
	if (!g->state || !g->ring || g->cpus <= 0 || !g->per_cpu) {
		snprintf(why, 256, "there is no memory for what the gate counts: %s",
			 strerror(errno ? errno : ENOMEM));
		return -ENOMEM;
	}
	return 0;
}

/* Called before anything is attached: no program reads the map yet, or only that of an earlier
 * daemon. */
static void fill_state(struct gate *g)
{
	struct gate_state *s = g->state;

	s->layout = GATE_LAYOUT;
	s->service = g->options.service;
	s->beside = 0; /* until the front says so */
	s->netns_inum = g->netns_fd >= 0 ? netns_inum(g->netns_fd) : 0;
	s->loopback = g->options.loopback;
	s->paused = s->answer_all = 0;
	s->share = s->pending_max = s->pending_usual = PLAN_UNLIMITED;
	s->pending_then = s->pending_likely = s->waiting_then = s->pending;
	s->trusted_count = s->refused_count = s->ranked = 0;
	memcpy(s->ports, g->options.ports, sizeof(s->ports));
	__atomic_store_n(&s->enabled, 1, __ATOMIC_RELEASE);
}

/* Attach the counting first and the verdicts after it: otherwise a session would not be counted. */
static int attach(struct gate *g, char *why)
{
	int old[LINK__COUNT], r = 0, fd;

	for (int i = 0; i < LINK__COUNT; i++)
		old[i] = take_kept(&g->options, links[i].kept);
	for (int i = LINK_STATE; i <= LINK_DESTROY && r == 0; i++) {
		fd = bpf_raw_tracepoint_open(NULL, program_fd(g, links[i].program));
		g->link[i] = fd;
		r = fd < 0 ? -errno : 0;
	}
	if (r == 0)
		gate_audit(g); /* the sessions that are there already */
	fd = program_fd(g, links[LINK_LOOKUP].program);
	if (r == 0 && old[LINK_LOOKUP] >= 0 && bpf_link_update(old[LINK_LOOKUP], fd, NULL) == 0) {
		g->link[LINK_LOOKUP] = old[LINK_LOOKUP];
		old[LINK_LOOKUP] = -1;
	} else if (r == 0) {
		g->taken_over = false;
		g->link[LINK_LOOKUP] = bpf_link_create(fd, g->netns_fd, BPF_SK_LOOKUP, NULL);
		r = g->link[LINK_LOOKUP] < 0 ? -errno : 0;
	}
	/* Two programs at once count nothing twice. This also removes an old lookup program in
	 * another namespace. */
	for (int i = 0; i < LINK__COUNT; i++)
		if (old[i] >= 0)
			close(old[i]);
	if (r < 0)
		say_why(r, why);
	return r;
}

/* The gate works without them, but the first half second of a flood keeps new senders out. */
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

		close_kept(&o);
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
		r = load(g, why);
	}
	if (r == 0)
		fill_state(g);
	if (r == 0)
		open_deaf(g);
	if (r == 0)
		r = gate_listeners(g, options->listener_v4, options->listener_v6);
	if (r == 0)
		r = attach(g, why);
	close_kept(&g->options);
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

unsigned gate_kept(const struct gate *g, const char *ret_names[GATE_KEPT], int ret_fds[GATE_KEPT])
{
	unsigned n = 0;

	for (int i = 0; i < LINK__COUNT; i++) {
		ret_names[n] = links[i].kept;
		ret_fds[n++] = g->link[i];
	}
	for (int i = 0; i < MAP__COUNT; i++) {
		if (!maps[i].kept)
			continue;
		ret_names[n] = kept_maps[i];
		ret_fds[n++] = g->map[i];
	}
	return n;
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
