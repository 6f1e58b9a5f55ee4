/* The gate's maps and its state. Part of gate.bpf.c. */
#ifndef PENSTOCK_BPF_GATE_MAPS_H
#define PENSTOCK_BPF_GATE_MAPS_H

#include "tuple.h"

#define IPPROTO_TCP_ 6
#define E_EXIST 17
enum { DROP = 0, PASS = 1 };
enum {
	ESTABLISHED = 1,
	SYN_RECV = 3,
	FIN_WAIT1 = 4,
	CLOSE = 7,
	CLOSE_WAIT = 8,
	LAST_ACK = 9,
	CLOSING = 11
};

/* Defined by the kernel's <linux/bpf.h>. */
struct bpf_sock;
struct bpf_sk_lookup {
	u64 sk;
	u32 family, protocol;
	u32 remote_ip4;
	u32 remote_ip6[4];
	u16 remote_port; /* network order */
	u16 spare;
	u32 local_ip4;
	u32 local_ip6[4];
	u32 local_port; /* host order */
};

struct bpf_iter_meta;
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

#define MAP(name, kind, most, key_type, value_type) \
	struct { \
		__uint(type, BPF_MAP_TYPE_##kind); \
		__uint(max_entries, most); \
		__type(key, key_type); \
		__type(value, value_type); \
	} name SEC(".maps")

#define NETWORKS_MAP(name) \
	struct { \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE); \
		__uint(max_entries, GATE_NETWORKS); \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, struct gate_network_key); \
		__type(value, u32); \
	} name SEC(".maps")

MAP(tickets, HASH, GATE_TICKETS, struct smtp_tuple, struct gate_ticket);

/* By socket. */
MAP(sessions, HASH, GATE_SESSIONS, u64, struct gate_session);

MAP(refused, LRU_HASH, GATE_REFUSALS, struct smtp_tuple, struct gate_refusal);

/* When, ns. */
MAP(recently_closed, LRU_HASH, GATE_CLOSINGS, struct smtp_tuple, u64);

/* Listeners by enum gate_listener. */
MAP(listeners, SOCKMAP, GATE_LISTENERS, u32, u64);

/* When, ns. */
MAP(postponed, LRU_HASH, GATE_POSTPONED, struct smtp_tuple, u64);

NETWORKS_MAP(trusted_networks);
NETWORKS_MAP(refused_networks);

/* What the daemon knows of a source, by plan_group() of its address. */
MAP(ranks, LRU_HASH, GATE_RANKS, u64, struct plan_source);

/* Tickets and sessions of an address, by peer(). */
MAP(held, HASH, GATE_SOURCES, u64, int64_t);

/* When an address last completed a handshake (ns), by peer(). */
MAP(proven, LRU_HASH, GATE_PROVEN, u64, u64);

/* The epoch in which another front refused an address that may not have received its reply yet, by
 * peer(). */
MAP(hearing, LRU_HASH, GATE_TOLD, u64, u64);

/* The epoch in which an address received a whole refusal, by peer(). */
MAP(told, LRU_HASH, GATE_TOLD, u64, u64);

MAP(counters, PERCPU_ARRAY, 1, u32, struct gate_counters);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GATE_RING_BYTES);
} events SEC(".maps");

/* If the probe's count is shared, user space replaces this map by the probe's before loading. */
MAP(smtp_probe, ARRAY, 1, u32, int64_t);

const volatile struct gate_probe_place probe_place = {};
struct gate_state state = {};

#define ADD(field, value) __sync_fetch_and_add(&state.field, value)

#endif
