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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_TICKETS);
	__type(key, struct smtp_tuple);
	__type(value, struct gate_ticket);
} tickets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_SESSIONS);
	__type(key, u64); /* the socket */
	__type(value, struct gate_session);
} sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_REFUSALS);
	__type(key, struct smtp_tuple);
	__type(value, struct gate_refusal);
} refused SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_CLOSINGS);
	__type(key, struct smtp_tuple);
	__type(value, u64); /* when, ns */
} recently_closed SEC(".maps");

/* Listeners by enum gate_listener. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, GATE_LISTENERS);
	__type(key, u32);
	__type(value, u64);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_POSTPONED);
	__type(key, struct smtp_tuple);
	__type(value, u64); /* when, ns */
} postponed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, GATE_NETWORKS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct gate_network_key);
	__type(value, u32);
} trusted_networks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, GATE_NETWORKS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct gate_network_key);
	__type(value, u32);
} refused_networks SEC(".maps");

/* What the daemon knows of a source, by plan_group() of its address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_RANKS);
	__type(key, u64);
	__type(value, struct plan_source);
} ranks SEC(".maps");

/* Tickets and sessions of an address, by peer(). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_SOURCES);
	__type(key, u64);
	__type(value, int64_t);
} held SEC(".maps");

/* When an address last completed a handshake (ns), by peer(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_PROVEN);
	__type(key, u64);
	__type(value, u64);
} proven SEC(".maps");

/* The epoch in which another front refused an address that may not have received its reply yet, by
 * peer(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_TOLD);
	__type(key, u64);
	__type(value, u64);
} hearing SEC(".maps");

/* The epoch in which an address received a whole refusal, by peer(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_TOLD);
	__type(key, u64);
	__type(value, u64);
} told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct gate_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, GATE_RING_BYTES);
} events SEC(".maps");

/* If the probe's count is shared, user space replaces this map by the probe's before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, int64_t);
} smtp_probe SEC(".maps");

const volatile struct gate_probe_place probe_place = {};
struct gate_state state = {};

#define ADD(field, value) __sync_fetch_and_add(&state.field, value)

#endif
