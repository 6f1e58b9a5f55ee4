/* What the gate counts: places, sessions of an address, verdicts. Part of gate.bpf.c. */
#ifndef PENSTOCK_BPF_GATE_COUNT_H
#define PENSTOCK_BPF_GATE_COUNT_H

#include "gate_maps.h"
#include "gate_held.h" /* uses the map */

/* Takes a place. Returns `places_taken` as it was before. */
static inline int64_t take_place(void)
{
#ifdef GATE_NO_FETCH
	int64_t before = *(volatile int64_t *)&state.places_taken;

	ADD(places_taken, 1);
	return before;
#else
	return __sync_fetch_and_add(&state.places_taken, 1);
#endif
}

static inline int is_guarded(u16 port)
{
	if (!port)
		return 0;
#pragma unroll
	for (int i = 0; i < GATE_WATCHED; i++)
		if (state.ports[i] == port)
			return 1;
	return 0;
}

/* The key under which sessions are counted together: an IPv4 address or an IPv6 /64, as in the
 * proxy. No /64 begins with 16 zero bits and 0000:ffff, so the two never collide. */
static inline u64 peer(const struct smtp_tuple *t)
{
	if (t->address[0] == 0 && t->address[1] == 0 && t->address[2] == bpf_htonl(0xffff))
		return 0xffff00000000ull | bpf_ntohl(t->address[3]);
	return (u64)bpf_ntohl(t->address[0]) << 32 | bpf_ntohl(t->address[1]);
}

static inline void count(const struct verdict *v)
{
	u32 zero = 0, reason = v->reason & (GATE_REASONS - 1), limit = v->limit & (GATE_LIMITS - 1);
	struct gate_counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (!c)
		return;
	/* The compiler knows the bounds, the verifier must see them. */
	asm volatile("" : "+r"(reason), "+r"(limit));
	reason &= GATE_REASONS - 1;
	limit &= GATE_LIMITS - 1;
	c->offered++;
	if (v->admit) {
		c->admitted++;
		c->admitted_by[reason]++;
	} else {
		c->deferred++;
		c->deferred_by[reason]++;
	}
	if (v->would_defer)
		c->would_defer++;
	if (!v->admit || v->would_defer)
		c->deferred_limit[limit]++;
}

static inline void tell(const struct smtp_tuple *t, const struct verdict *v, u64 now,
			u64 session_ns, u32 finished)
{
	/* No wake-up: the daemon reads once a tick. */
	struct gate_record *r = bpf_ringbuf_reserve(&events, sizeof(*r), 0);

	if (!r) {
		ADD(events_lost, 1);
		return;
	}
	r->tuple = *t;
	r->verdict = *v;
	r->at_ns = now;
	r->session_ns = session_ns;
	r->finished = finished;
	r->spare = 0;
	bpf_ringbuf_submit(r, 1 /* BPF_RB_NO_WAKEUP */);
}

#endif
