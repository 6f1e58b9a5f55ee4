/* front.gate.repeat = reset: which clients received a 451 in this epoch, from this or another
 * front, and are reset now. Part of gate.bpf.c. */
#ifndef PENSTOCK_BPF_GATE_TOLD_H
#define PENSTOCK_BPF_GATE_TOLD_H

#include "gate_verdict.h"

/* Whether an address that is refused again gets a reset instead of the dialogue, because it
 * received its 451 in this epoch. With SK_DROP the kernel answers its SYN with a reset, and makes
 * no socket. The verdict comes first. Trusted clients, and clients whose promised turn has come,
 * always get the dialogue. The address of a SYN may be forged; an attacker only achieves that
 * attempts are counted for an address that was refused before. */
static inline int is_told(const struct smtp_tuple *t, const struct plan *plan)
{
	u64 who = peer(t), group, *epoch = bpf_map_lookup_elem(&told, &who);
	struct gate_network_key key = { .bits = 128 };
	struct plan_source *source;

	if (!epoch || *epoch != plan->epoch)
		return 0;
	__builtin_memcpy(key.address, t->address, sizeof(key.address));
	if (state.trusted_count && bpf_map_lookup_elem(&trusted_networks, &key))
		return 0;
	if (!state.ranked)
		return 1;
	group = plan_group((const uint8_t *)t->address);
	source = bpf_map_lookup_elem(&ranks, &group);
	/* Its rank has not arrived yet: it may be promised a place. */
	return source && source->band != PLAN_BAND_PROMISED;
}

static inline void count_reset(const struct smtp_tuple *t, const struct verdict *v, u64 now)
{
	u32 zero = 0;
	struct gate_counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c)
		c->reset++;
	count(v);
	tell(t, v, now, 0, 0);
}

/* Whether the closing socket is the connection of a refused client. It is one of the responder's
 * sockets. Or, if another front refuses, it is one that the proxy has marked (core/told.h), or one
 * of the mail server's with a client that the daemon has named. */
static inline int is_refused(struct sock *sk, u64 who, u64 epoch)
{
	u64 *named;

	if (sk->sk_mark == RESPONDER_MARK)
		return 1;
	/* skc_num is 0 already in the last state. */
	if (!state.beside ||
	    !is_guarded(bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport))))
		return 0;
	if (BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_user_timeout) ==
	    TOLD_USER_TIMEOUT_MS)
		return 1;
	named = bpf_map_lookup_elem(&hearing, &who);
	return named && *named == epoch;
}

/* Notes that the client has acknowledged our FIN, and so has received the reply before it. */
static inline void note_told(struct sock *sk, int before)
{
	struct tcp_sock *tp;
	struct smtp_tuple t = {};
	u64 who, epoch = state.plan[state.current & 1].epoch;

	if (before != FIN_WAIT1 && before != CLOSING && before != LAST_ACK)
		return;
	if (sk->__sk_common.skc_net.net->ns.inum != state.netns_inum)
		return;
	tp = bpf_skc_to_tcp_sock((struct sock_common *)sk);
	if (!tp || tp->snd_una != tp->write_seq || tp->bytes_acked < GATE_TOLD_MIN)
		return;
	tuple_of(sk, 0, &t);
	who = peer(&t);
	if (is_refused(sk, who, epoch))
		bpf_map_update_elem(&told, &who, &epoch, BPF_ANY);
}

/* Whether the connection may wait for a place in the other front, which has room: then it
 * passes. */
static inline int may_wait_beside(struct verdict v)
{
	if (!plan_may_wait(v) || read_now(&state.beside_room) == 0)
		return 0;
	ADD(beside_room, -1);
	return 1;
}

/* The verdict while another front decides, which replies to clients itself or through the mail
 * server. A client that it has refused, and that the plan would refuse again, is reset. All others
 * pass, and the verdict on their SYN is kept for the ACK of a cookie. */
static inline int beside(const struct smtp_tuple *t, const struct plan *plan, u64 now)
{
	u64 *passed = bpf_map_lookup_elem(&recently_closed, t);
	struct plan_request request = {};
	struct open_tickets none = {};
	struct verdict v;

	if (passed && now - *passed < GATE_SEEN_NS)
		return PASS;
	if (is_told(t, plan)) {
		describe(t, plan, now / 1000, &none, &request);
		request.in_flight = (u32)read_now(&state.beside_in_flight);
		v = verdict_on(&request);
		if (!v.admit && !may_wait_beside(v)) {
			count_reset(t, &v, now);
			return DROP;
		}
		if (v.admit) {
			ADD(beside_in_flight, 1);
			ADD(bucket.tokens_nano, -PLAN_TOKEN_NANO);
		}
	}
	bpf_map_update_elem(&recently_closed, t, &now, BPF_ANY);
	return PASS;
}

#endif
