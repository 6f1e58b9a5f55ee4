/* What the probe of SMTP sessions keeps: its maps, and the counts of each port. Part of
 * smtp.bpf.c. */
#ifndef PENSTOCK_BPF_SMTP_MAPS_H
#define PENSTOCK_BPF_SMTP_MAPS_H

#include "kernel_types.h"
#include "shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC); /* memory that most machines never need */
	/* penstockd walks over all entries ten times a second while a session is busy
	 * (kernel/smtp_walk.h). A full map takes it 1.6 ms, 1,000 sessions .3 ms
	 * (tests/bench/bench_look.c). */
	__uint(max_entries, 16384);
	__type(key, u64); /* the socket */
	__type(value, struct smtp_session);
} sessions SEC(".maps");

/* Connections that penstock itself refused. User space enters them; the program that deletes an
 * entry successfully has handled it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct smtp_tuple);
	__type(value, u64);
} refused SEC(".maps");

/* Sessions from before the probe without an event since then. Here too, the program that deletes an
 * entry has handled it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* user space sets the number of sessions */
	__type(key, struct smtp_tuple);
	__type(value, struct smtp_seed);
} seeds SEC(".maps");

int64_t seeds_left = 0; /* 0: no look-up is needed */

/* For a session that ended: how long the server worked for it (ns), and in the upper byte how often
 * it answered (255: that often or more). The table of sources charges that to the source. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct smtp_tuple);
	__type(value, u64);
} ended SEC(".maps");

const volatile uint32_t netns_inum = 0;
const volatile uint16_t watched[SMTP_PORTS] = {};
const volatile uint8_t client_first
	[SMTP_PORTS] = {}; /* TLS from the first octet: before it the server owes nothing */
struct smtp_port ports[SMTP_PORTS] = {};
uint64_t sessions_lost = 0; /* because the map was full */

static inline int find_port(u16 port)
{
	if (!port)
		return -1;
#pragma unroll
	for (int i = 0; i < SMTP_PORTS; i++)
		if (watched[i] == port)
			return i;
	return -1;
}

static inline void add(int64_t *p, int64_t value)
{
	__sync_fetch_and_add(p, value);
}

#endif
