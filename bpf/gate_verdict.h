/* The gate's verdict: collects what is known of a connection and of its source, calls
 * plan_decide(), and makes the ticket of an admission. Part of gate.bpf.c. */
#ifndef PENSTOCK_BPF_GATE_VERDICT_H
#define PENSTOCK_BPF_GATE_VERDICT_H

#include "gate_count.h"

static inline int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t read_now(const int64_t *field)
{
	int64_t n = *(const volatile int64_t *)field;

	return n > 0 ? n : 0;
}

/* The open tickets, and how many of them count for the verdict on one client. */
struct open_tickets {
	int64_t all, counted;
};

static inline struct open_tickets open_tickets(int of_proven)
{
	int64_t all = read_now(&state.pending), fresh = all - state.pending_then, unproven;
	struct open_tickets t = { .all = all, .counted = state.pending_likely };

	if (fresh > 0)
		t.counted += fresh;
	t.counted = least(t.counted, all);
	if (state.pending_max != PLAN_UNLIMITED)
		t.counted = least(t.counted, state.pending_max);
	if (of_proven && state.share != PLAN_UNLIMITED) {
		unproven = least(read_now(&state.unproven), all);
		t.counted = least(t.counted, all - unproven + least(unproven, state.share));
	}
	return t;
}

/* plan_bucket_refill() for several CPUs: the CPU that moves the time forward adds the new tokens.
 * `back`: tokens of tickets that do not count, which are given back. */
static inline u32 tokens_milli(const struct plan_service *s, u64 now_us, int64_t back)
{
	u64 last = *(volatile u64 *)&state.bucket.refilled_us;
	int64_t size = plan_bucket_size(s), now;

	if (s->rate_milli == PLAN_UNLIMITED) {
		state.bucket.refilled_us = 0;
		return PLAN_UNLIMITED;
	}
	if (last == 0 || now_us < last) {
		state.bucket.refilled_us = now_us;
		state.bucket.tokens_nano = size;
	} else if (now_us > last) {
#ifdef GATE_NO_FETCH
		state.bucket.refilled_us = now_us;
		ADD(bucket.tokens_nano, plan_bucket_gain(s, now_us - last));
#else
		if (__sync_val_compare_and_swap(&state.bucket.refilled_us, last, now_us) == last)
			ADD(bucket.tokens_nano, plan_bucket_gain(s, now_us - last));
#endif
	}
	now = *(volatile int64_t *)&state.bucket.tokens_nano;
	if (now > size)
		state.bucket.tokens_nano = now = size;
	return plan_bucket_milli(least(now + back * PLAN_TOKEN_NANO, size));
}

static inline int is_local(const struct smtp_tuple *t)
{
	if (t->address[0] == 0 && t->address[1] == 0 && t->address[2] == bpf_htonl(0xffff))
		return (bpf_ntohl(t->address[3]) >> 24) == 127;
	return t->address[0] == 0 && t->address[1] == 0 && t->address[2] == 0 &&
	       t->address[3] == bpf_htonl(1);
}

/* The tickets and sessions of an address. */
static inline u32 held_by(u64 who)
{
	int64_t *n = bpf_map_lookup_elem(&held, &who);

	return n && *n > 0 ? (u32)*n : 0;
}

/* Whether an address is proven: it has completed a handshake before. Beyond a small share of the
 * window its SYNs are treated like a stranger's, since it may send many and complete none. */
static inline int is_proven(u64 who)
{
	return bpf_map_lookup_elem(&proven, &who) && held_by(who) < state.share;
}

/* plan_decide(), as a function that the verifier follows once and by itself. Inlined wherever a
 * verdict is needed, it multiplied the paths through the lookup: the verifier followed 116,000
 * instructions then, which takes a kernel a second, and an emulated one half a minute. The
 * verifier checks a function by itself if it is global, takes numbers and returns one (5.10 takes
 * no pointers). So the request comes packed, and so does the verdict. `weak`: the compiler must not
 * tell its callers more than the verifier knows. */
__attribute__((noinline, weak)) u32 gate_verdict(u64 now_us, u64 places, u64 rank, u64 source)
{
	struct plan_request r = {
		.now_us = now_us,
		.in_flight = (u32)places,
		.ungreeted = (u32)(places >> 32),
		.tokens_milli = (u32)rank,
		.score = (u32)(rank >> 32),
		.sessions = (u32)source,
		.service = source >> 32 & 0xff,
		.band = source >> 40 & 0xff,
		.heavy = source >> 48 & 0xff,
		.trusted = source >> 56 & 1,
		.refused = source >> 57 & 1,
	};
	struct verdict v = plan_decide(&state.plan[state.current & 1], &r);

	return v.admit | (u32)v.would_defer << 8 | (u32)v.reason << 16 | (u32)v.limit << 24;
}

/* The verdict of the plan in force. */
static inline struct verdict verdict_on(const struct plan_request *r)
{
	u64 source = (u64)r->sessions | (u64)(r->service & 0xff) << 32 | (u64)r->band << 40 |
		     (u64)r->heavy << 48 | (u64) !!r->trusted << 56 | (u64) !!r->refused << 57;
	u32 packed = gate_verdict(r->now_us, (u64)r->ungreeted << 32 | r->in_flight,
				  (u64)r->score << 32 | r->tokens_milli, source);
	struct verdict v = { packed & 0xff, packed >> 8 & 0xff, packed >> 16 & 0xff, packed >> 24 };

	return v;
}

/* Fills in what is known of the client's source. */
static inline void describe_source(const struct smtp_tuple *t, const struct plan *plan,
				   struct plan_request *r)
{
	u64 group = plan_group((const uint8_t *)t->address);
	struct plan_source source = state.absent, *known;

	r->score = PLAN_UNLIMITED;
	source.group = group;
	if (state.ranked) {
		known = bpf_map_lookup_elem(&ranks, &group);
		if (known)
			source = *known;
		plan_rank(plan, &source, r);
	}
	r->sessions = held_by(peer(t));
}

/* Sessions that wait for their greeting, or will in a moment. The probe counts the former at every
 * moment. Of the connections whose handshake is not complete, only those since the last plan are
 * added, because with distant clients some handshakes are always open. */
static inline u32 ungreeted(const struct open_tickets *tickets)
{
	int64_t n = state.ungreeted, fresh;
	u32 zero = 0;
	char *counted;

	if (probe_place.slots) {
		counted = bpf_map_lookup_elem(&smtp_probe, &zero);
		if (!counted)
			return 0;
		n = 0;
#pragma unroll
		for (u32 i = 0; i < SMTP_PORTS; i++)
			if (probe_place.slots & (1u << i))
				n += *(volatile int64_t *)(counted + probe_place.at +
							   i * sizeof(struct smtp_port));
		fresh = least(tickets->all - state.waiting_then, tickets->counted);
		if (fresh > 0)
			n += fresh;
	}
	return n > 0 ? (u32)n : 0;
}

/* Fills in the tokens of the bucket and the sessions that wait for a greeting, with so many tickets
 * counted. */
static inline void describe_places(const struct plan *plan, u64 now_us,
				   const struct open_tickets *tickets, struct plan_request *r)
{
	r->tokens_milli = PLAN_UNLIMITED;
	if (state.service >= PLAN_SERVICES)
		return;
	r->tokens_milli = tokens_milli(&plan->service[plan_slot(state.service)], now_us,
				       tickets->all - tickets->counted);
	if (plan->service[plan_slot(state.service)].ungreeted_max != PLAN_UNLIMITED)
		r->ungreeted = ungreeted(tickets);
}

static inline void describe(const struct smtp_tuple *t, const struct plan *plan, u64 now_us,
			    const struct open_tickets *tickets, struct plan_request *r)
{
	struct gate_network_key key = { .bits = 128 };

	__builtin_memcpy(key.address, t->address, sizeof(key.address));
	r->now_us = now_us;
	r->service = state.service;
	describe_places(plan, now_us, tickets, r);
	if (state.trusted_count && bpf_map_lookup_elem(&trusted_networks, &key))
		r->trusted = 1;
	if (state.refused_count && bpf_map_lookup_elem(&refused_networks, &key))
		r->refused = 1;
	describe_source(t, plan, r);
}

static inline void pend(u32 flags, int64_t by)
{
	ADD(pending, by);
	if (flags & GATE_UNPROVEN)
		ADD(unproven, by);
}

static inline struct gate_syns *syns_of(u64 made_ns)
{
	u32 slot = (made_ns >> GATE_SYNS_SHIFT) & (GATE_SYNS - 1);

	asm volatile("" : "+r"(slot));
	return &state.syns[slot & (GATE_SYNS - 1)];
}

/* Counts a ticket. Two CPUs that begin a slot at the same time may lose one count, which does no
 * harm. */
static inline void made(u64 now)
{
	struct gate_syns *s = syns_of(now);
	u32 turn = (u32)(now >> GATE_SYNS_SHIFT);

	if (*(volatile u32 *)&s->turn != turn) {
		s->made = s->used = 0;
		s->turn = turn;
	}
	__sync_fetch_and_add(&s->made, 1);
}

static inline void used(u64 made_ns, u64 now)
{
	struct gate_syns *s = syns_of(made_ns);

	if (*(volatile u32 *)&s->turn == (u32)(made_ns >> GATE_SYNS_SHIFT))
		__sync_fetch_and_add(&s->used, 1);
	ADD(handshake_us, (now - made_ns) / 1000);
}

/* Gives an admitted connection its ticket. If the map is full, it passes without one. */
static inline void admit(const struct smtp_tuple *t, const struct verdict *v, u64 now, u32 flags)
{
	struct gate_ticket ticket = { .made_ns = now, .verdict = *v, .flags = flags };
	long r;

	if (v->would_defer) {
		if (!(flags & GATE_LATE))
			ADD(places_taken, -1);
		ticket.flags = flags = GATE_UNCOUNTED;
	}
	/* Count first: if the ticket were deleted before, the count would stay too high for
	 * ever. */
	hold(peer(t), 1);
	if (!(flags & GATE_HOLDS_NONE)) {
		pend(flags, 1);
		ADD(bucket.tokens_nano, -PLAN_TOKEN_NANO);
	}
	r = bpf_map_update_elem(&tickets, t, &ticket, BPF_NOEXIST);
	if (r == 0) {
		if (!(flags & GATE_HOLDS_NONE))
			made(now);
		return;
	}
	hold(peer(t), -1);
	if (!(flags & GATE_HOLDS_NONE)) {
		pend(flags, -1);
		ADD(bucket.tokens_nano, PLAN_TOKEN_NANO);
		ADD(places_taken, -1);
	}
	if (r != -E_EXIST)
		ADD(passed_full, 1);
}

/* Whether the gate cannot tell yet: an unproven address finds no place, and would find one if the
 * unproven tickets failed, of which there are more than honest handshakes explain. During a known
 * flood tickets do not count in full, and the gate can tell. */
static inline int is_unsure(const struct plan *plan, u64 now, const struct open_tickets *tickets,
			    struct plan_request *request, int64_t before)
{
	struct open_tickets proven = open_tickets(1);

	if (state.share == PLAN_UNLIMITED || state.pending_max != PLAN_UNLIMITED ||
	    read_now(&state.unproven) <= state.pending_usual)
		return 0;
	before += tickets->all - tickets->counted - (proven.all - proven.counted);
	request->in_flight = before > 0 ? (u32)before : 0;
	describe_places(plan, now / 1000, &proven, request);
	return verdict_on(request).admit;
}

/* The verdict. `again`: the tuple was in use a moment ago. */
static inline struct verdict decide(const struct smtp_tuple *t, const struct plan *plan, u64 now,
				    int again, int *ret_unsure)
{
	struct plan_request request = {};
	u32 flags = is_proven(peer(t)) ? 0 : GATE_UNPROVEN;
	struct open_tickets tickets = open_tickets(!flags);
	struct verdict v;
	int64_t before;

	describe(t, plan, now / 1000, &tickets, &request);
	if (again || request.trusted)
		flags = GATE_LATE;
	before = flags & GATE_LATE ? *(volatile int64_t *)&state.places_taken : take_place();
	before -= tickets.all - tickets.counted;
	request.in_flight = before > 0 ? (u32)before : 0;
	v = verdict_on(&request);
	if (v.admit) {
		admit(t, &v, now, flags);
		return v;
	}
	if (!(flags & GATE_LATE))
		ADD(places_taken, -1);
	if (flags == GATE_UNPROVEN)
		*ret_unsure = is_unsure(plan, now, &tickets, &request, before);
	return v;
}

#endif
