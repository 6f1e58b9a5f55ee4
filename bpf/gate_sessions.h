/* The sessions behind the gate: a ticket becomes one when the handshake is complete, and it ends
 * when the server closes or the socket is destroyed. What counts them is in gate_count.h. */
#ifndef PENSTOCK_BPF_GATE_SESSIONS_H
#define PENSTOCK_BPF_GATE_SESSIONS_H

#include "gate_count.h"

static inline int is_ours(struct sock *sk)
{
	return is_guarded(sk->__sk_common.skc_num) &&
	       sk->__sk_common.skc_net.net->ns.inum == state.netns_inum;
}

/* A client of the responder: counts its refusal. A client that resets and connects again from the
 * same port is another attempt, although it gets the first one's verdict. */
static inline void refused_opened(const struct smtp_tuple *t, u64 now)
{
	struct gate_refusal *r = bpf_map_lookup_elem(&refused, t);
	u64 who = peer(t);

	if (!r)
		return;
	bpf_map_update_elem(&proven, &who, &now, BPF_ANY);
	count(&r->verdict);
	tell(t, &r->verdict, now, 0, 0);
}

/* Gives back what a session held. */
static inline void release(const struct smtp_tuple *t, u32 flags)
{
	hold(peer(t), -1);
	if (!(flags & GATE_UNCOUNTED))
		ADD(places_taken, -1);
}

/* Gives back the place of a ticket whose handshake failed. */
static inline void release_ticket(const struct smtp_tuple *t, u32 flags)
{
	hold(peer(t), -1);
	if (flags & GATE_HOLDS_NONE)
		return;
	pend(flags, -1);
	ADD(places_taken, -1);
	ADD(bucket.tokens_nano, PLAN_TOKEN_NANO);
}

/* Turns a ticket into a session, which takes over its place. */
static inline void redeem(const struct gate_ticket *ticket, u64 now)
{
	u32 slot = log2_u64((now - ticket->made_ns) / 1000);

	if (ticket->flags & GATE_LATE) {
		ADD(places_taken, 1);
		ADD(bucket.tokens_nano, -PLAN_TOKEN_NANO);
	} else if (!(ticket->flags & GATE_UNCOUNTED)) {
		pend(ticket->flags, -1);
		used(ticket->made_ns, now);
	}
	asm volatile("" : "+r"(slot));
	state.handshakes[slot & (GATE_HANDSHAKE_SLOTS - 1)]++;
}

static inline void opened(struct sock *sk, const struct smtp_tuple *t, u64 now)
{
	u64 key = (u64)sk, who = peer(t);
	struct gate_session s = { .tuple = *t, .opened_ns = now, .audit = state.audit };
	struct verdict v = plan_admit(REASON_NONE);
	struct gate_ticket *found = bpf_map_lookup_elem(&tickets, t), ticket = {};
	long r;

	bpf_map_update_elem(&proven, &who, &now, BPF_ANY);
	if (found) {
		ticket = *found;
		v = ticket.verdict;
		s.flags = ticket.flags & GATE_UNCOUNTED;
	} else if (!plan_is_fresh(&state.plan[state.current & 1], now / 1000)) {
		v.reason = REASON_STALE;
	}
	r = bpf_map_update_elem(&sessions, &key, &s, BPF_NOEXIST);
	if (r == -E_EXIST)
		return;
	if (found && bpf_map_delete_elem(&tickets, t) == 0) {
		redeem(&ticket, now);
		if (r)
			release(&s.tuple, s.flags);
	} else if (r == 0) {
		/* Late: its ticket had expired, or there was none. */
		if (!(s.flags & GATE_UNCOUNTED))
			ADD(places_taken, 1);
		hold(peer(t), 1);
	}
	if (r == 0)
		ADD(sessions, 1);
	else
		ADD(sessions_lost, 1);
	if (state.beside)
		return; /* the other front reports it */
	count(&v);
	tell(t, &v, now, 0, 0);
}

static inline void closed(struct sock *sk)
{
	u64 key = (u64)sk, now;
	struct gate_session *found = bpf_map_lookup_elem(&sessions, &key), s;
	struct verdict none = {};

	if (!found)
		return;
	s = *found;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&recently_closed, &s.tuple, &now, BPF_ANY);
	if (bpf_map_delete_elem(&sessions, &key))
		return; /* another CPU was first */
	release(&s.tuple, s.flags);
	ADD(sessions, -1);
	if (!state.beside)
		tell(&s.tuple, &none, now, now - s.opened_ns, 1);
}

#endif
