/* The gate's object: its form for this kernel, its maps, and the program in the kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "kernel/gate_parts.h"
#include "kernel/load_memory.h"

#include "gate.skel.h"
#include "gate_old.skel.h"

static const char *const names[MAP__COUNT] = {
	[MAP_STATE] = NULL, /* .bss, whatever the object is called */
	[MAP_TICKETS] = "tickets",
	[MAP_SESSIONS] = "sessions",
	[MAP_REFUSED] = "refused",
	[MAP_RECENTLY_CLOSED] = "recently_closed",
	[MAP_LISTENERS] = "listeners",
	[MAP_POSTPONED] = "postponed",
	[MAP_TRUSTED_NETWORKS] = "trusted_networks",
	[MAP_REFUSED_NETWORKS] = "refused_networks",
	[MAP_RANKS] = "ranks",
	[MAP_HELD] = "held",
	[MAP_HEARING] = "hearing",
	[MAP_TOLD] = "told",
	[MAP_COUNTERS] = "counters",
	[MAP_EVENTS] = "events",
};

static const struct form {
	const char *name;
	const void *(*bytes)(size_t *size);
} forms[] = { { "sk_lookup", gate_bpf__elf_bytes },
	      { "sk_lookup, without fetching atomics", gate_old_bpf__elf_bytes } };

static struct bpf_map *find_map(struct bpf_object *object, enum gate_map which)
{
	struct bpf_map *map;

	if (names[which])
		return bpf_object__find_map_by_name(object, names[which]);
	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map), *dot = strchr(name, '.');

		/* Its name shows that the probe's shared map is the .bss of another object. */
		if (dot && strcmp(dot, ".bss") == 0 && bpf_map__is_internal(map))
			return map;
	}
	return NULL;
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

/* Takes over all maps or none: the count is useless without the sessions that it counts. */
static bool reuse_maps(struct gate *g, const int kept[MAP__COUNT])
{
	struct gate_state *state;
	bool fits;

	for (int i = 0; i < MAP__COUNT; i++)
		if (gate_keeps_map((enum gate_map)i) &&
		    !map_fits(kept[i], find_map(g->object, (enum gate_map)i)))
			return false;
	state = map_state(kept[MAP_STATE], sizeof(*state));
	fits = state && state->layout == GATE_LAYOUT;
	if (state)
		munmap(state, sizeof(*state));
	if (!fits)
		return false;
	for (int i = 0; i < MAP__COUNT; i++)
		if (gate_keeps_map((enum gate_map)i) &&
		    bpf_map__reuse_fd(find_map(g->object, (enum gate_map)i), kept[i]) < 0)
			return false;
	return true;
}

void gate_say_why(int error, char *why)
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

int gate_program_fd(struct gate *g, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(g->object, name));
}

static int load_any_form(struct gate *g, const int kept[MAP__COUNT])
{
	int r = -EINVAL;

	for (unsigned i = 0; i < ARRAY_SIZE(forms) && r < 0; i++)
		r = load_form(g, &forms[i], kept);
	return r;
}

int gate_load(struct gate *g, char *why)
{
	int kept[MAP__COUNT], r;

	for (int i = 0; i < MAP__COUNT; i++)
		kept[i] = gate_take_map(&g->options, (enum gate_map)i);
	load_memory_keep();
	r = load_any_form(g, kept);
	if (r < 0 && g->options.live.slots) {
		/* A gate without the probe's count is better than no gate. */
		g->options.live.slots = 0;
		r = load_any_form(g, kept);
		if (r == 0)
			log_info(
				"the gate learns once a tick who waits for a greeting: this kernel does not share the probe's count");
	}
	load_memory_give_back();
	for (int i = 0; i < MAP__COUNT; i++)
		if (kept[i] >= 0)
			close(kept[i]);
	if (r < 0) {
		gate_say_why(r, why);
		return r;
	}
	for (int i = 0; i < MAP__COUNT; i++)
		g->map[i] = bpf_map__fd(find_map(g->object, (enum gate_map)i));
	g->expire_fd = gate_program_fd(g, "gate_expire");
	g->forget_fd = gate_program_fd(g, "gate_forget");
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
