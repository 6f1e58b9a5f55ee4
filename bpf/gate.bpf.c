/* The gate. sk_lookup runs for every new connection to the guarded ports before the kernel looks
 * for a listener. An admitted connection passes (SK_PASS, no socket chosen). Any other connection
 * goes to the responder's listener. In doubt a connection passes.
 *
 * The programs count the sessions in flight themselves: `places_taken` = tickets + sessions. A
 * verdict that admits makes a ticket for the connection's tuple. The ticket becomes a session when
 * the handshake is complete. The session ends when the server closes, or when its socket is
 * destroyed. A segment that is looked up again (a retransmitted SYN, the ACK of a SYN cookie) finds
 * the ticket or the refusal, and gets the same verdict. The daemon removes tickets whose client has
 * vanished. Only the program that deletes an entry successfully subtracts 1 from `places_taken`:
 * this one rule is enough for all CPUs, all programs and the daemon.
 *
 * A SYN is not yet a client: its address may be forged, and its handshake may never be completed.
 * While nearly all tickets become sessions, they count in full, so that a burst keeps to the
 * window. Otherwise the daemon decides how many of them count (kernel/syn_judge.h).
 *
 * An address that completed a handshake before is proven, as long as it holds less than a small
 * share of the window (or one address could flood for all). For a verdict on a proven address, the
 * tickets of unproven addresses never count for more than a small share of the window, so that even
 * the beginning of a flood keeps no known sender out. For a verdict on an unproven address, the
 * gate cannot tell at once whether the tickets before it are a burst of new clients or the
 * beginning of a flood. So it drops the SYN, once: the client's own TCP sends it again after a
 * second, and then the gate can tell. Tickets of trusted clients take no place until they are
 * sessions.
 *
 * A tuple that was in use a moment ago gets a verdict like any other, but takes no place until it
 * is a session, because the kernel looks up stray segments of a closed connection as if they were
 * new.
 *
 * A known limit: the ACK of a SYN cookie gets a new verdict if its ticket has expired, or if so
 * many refusals came after its own that this one was forgotten. This program sees no TCP flags, so
 * it cannot distinguish such an ACK from a SYN. (A verdict by the hash of the tuple would not keep
 * to the window.) If the new verdict leads to the other listener, and that one has sent no cookies
 * lately, the kernel resets the connection.
 *
 * Without atomics that return the old value (kernels before 5.12, GATE_NO_FETCH) `places_taken` is
 * read and then increased: it may exceed the window by one for each CPU. */
#define inline \
	inline __attribute__((always_inline)) /* structs by value: BPF has no calls for them */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "gate_shared.h"
#include "time_slot.h"
#include "gate_maps.h"
#include "gate_count.h"
#include "gate_verdict.h"
#include "gate_told.h"
#include "gate_sessions.h"

/* ---- the lookup ----------------------------------------------------------------------------- */

static inline int to_responder(struct bpf_sk_lookup *ctx, const struct smtp_tuple *t,
			       const struct verdict *v, u64 now, int resets)
{
	u32 slot = ctx->family == AF_INET6_ ? GATE_LISTENER_V6 : GATE_LISTENER_V4;
	struct bpf_sock *sk = bpf_map_lookup_elem(&listeners, &slot);
	struct tcp_sock *tp;
	u32 queued, limit;

	if (!sk) {
		ADD(passed_closed, 1);
		return PASS;
	}
	/* A full accept queue drops the SYN, and the client would wait for a second, two, four. */
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp) {
		queued = ((struct sock *)tp)->sk_ack_backlog;
		limit = ((struct sock *)tp)->sk_max_ack_backlog;
		if (queued + queued / 8 >= limit) {
			bpf_sk_release(sk);
			ADD(passed_full, 1);
			return PASS;
		}
	}
	if (v && resets) {
		bpf_sk_release(sk);
		count_reset(t, v, now);
		return DROP;
	}
	if (v) {
		struct gate_refusal refusal = { .at_ns = now, .verdict = *v };

		bpf_map_update_elem(&refused, t, &refusal, BPF_ANY);
	}
	if (bpf_sk_assign(ctx, sk, 0))
		ADD(passed_closed, 1);
	bpf_sk_release(sk);
	return PASS;
}

/* Drops this SYN, unless an earlier SYN of this tuple was dropped: the client sends it again after
 * a second. */
static inline int postpone(struct bpf_sk_lookup *ctx, const struct smtp_tuple *t, u64 now)
{
	u64 *before = bpf_map_lookup_elem(&postponed, t);
	u32 slot = ctx->family == AF_INET6_ ? GATE_DEAF_V6 : GATE_DEAF_V4;
	struct bpf_sock *sk;
	long r;

	if (before && now - *before < GATE_POSTPONED_NS)
		return 0;
	if (bpf_map_update_elem(&postponed, t, &now, BPF_ANY))
		return 0;
	sk = bpf_map_lookup_elem(&listeners, &slot);
	if (!sk)
		return 0;
	r = bpf_sk_assign(ctx, sk, 0);
	bpf_sk_release(sk);
	if (r)
		return 0;
	ADD(postponed, 1);
	return 1;
}

static inline int lookup(struct bpf_sk_lookup *ctx, struct smtp_tuple *t)
{
	const struct plan *plan = &state.plan[state.current & 1];
	struct verdict down = { 0, 0, REASON_BACKEND, LIMIT_NONE }, v;
	u64 now = bpf_ktime_get_ns(), *closed;
	struct gate_refusal *before;
	int again, unsure = 0;

	if (!state.loopback && is_local(t))
		return PASS;
	if (!plan_is_fresh(plan, now / 1000)) {
		ADD(lookups_stale, 1);
		return PASS;
	}
	if (state.paused) {
		ADD(passed_closed, 1);
		return PASS;
	}
	if (state.beside)
		return state.resets ? beside(t, plan, now) : PASS;
	if (bpf_map_lookup_elem(&tickets, t))
		return PASS;
	before = bpf_map_lookup_elem(&refused, t);
	if (before && now - before->at_ns < GATE_REFUSED_NS)
		return to_responder(ctx, t, 0, now, 0);
	if (state.answer_all)
		return to_responder(ctx, t, &down, now, 0);
	closed = bpf_map_lookup_elem(&recently_closed, t);
	again = closed && now - *closed < GATE_SEEN_NS;
	v = decide(t, plan, now, again, &unsure);
	if (v.admit || (unsure && postpone(ctx, t, now)))
		return PASS;
	/* This may be a stray segment of a connection that just ended, and no new attempt. */
	return to_responder(ctx, t, &v, now, state.resets && !again && is_told(t, plan));
}

SEC("sk_lookup")
int gate_lookup(struct bpf_sk_lookup *ctx)
{
	struct smtp_tuple t = {};

	if (ctx->protocol != IPPROTO_TCP_ || !state.enabled || !is_guarded((u16)ctx->local_port))
		return PASS;
	/* The empty asm keeps the compiler from merging the two branches' reads of the context. */
	if (ctx->family == AF_INET_) {
		t.address[2] = bpf_htonl(0xffff);
		t.address[3] = ctx->remote_ip4;
		asm volatile("" ::: "memory");
	} else if (ctx->family == AF_INET6_) {
		t.address[0] = ctx->remote_ip6[0];
		t.address[1] = ctx->remote_ip6[1];
		t.address[2] = ctx->remote_ip6[2];
		t.address[3] = ctx->remote_ip6[3];
		asm volatile("" ::: "memory");
	} else {
		return PASS;
	}
	t.port = bpf_ntohs(ctx->remote_port);
	t.local = (u16)ctx->local_port;
	return lookup(ctx, &t);
}

/* ---- sessions: what the kernel tells of them ------------------------------------------------- */

SEC("tp_btf/inet_sock_set_state")
int gate_state(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int before = (int)ctx[1], now = (int)ctx[2];
	struct smtp_tuple t = {};

	if (state.resets)
		note_told(sk, before);
	if (now == ESTABLISHED && before == SYN_RECV) {
		if (!is_ours(sk))
			return 0;
		tuple_of(sk, sk->__sk_common.skc_num, &t);
		if (sk->sk_mark == RESPONDER_MARK)
			refused_opened(&t, bpf_ktime_get_ns());
		else
			opened(sk, &t, bpf_ktime_get_ns());
	} else if (now == FIN_WAIT1 || now == LAST_ACK || now == CLOSE) {
		closed(sk);
	}
	return 0;
}

/* Corrects the count after a lost event. */
SEC("tp_btf/tcp_destroy_sock")
int gate_destroy(u64 *ctx)
{
	closed((void *)ctx[0]);
	return 0;
}

/* One socket of the walk over all sockets. A session that is not counted yet is added, and one that
 * is counted is marked. A session without a mark at the end has no socket, and the daemon removes
 * it. */
SEC("iter/tcp")
int gate_walk(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct gate_session s = {}, *known;
	struct tcp_sock *tp;
	struct sock *sk;
	u64 key;
	u8 at;

	if (!common)
		return 0;
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	sk = (struct sock *)tp;
	at = sk->__sk_common.skc_state;
	if ((at != ESTABLISHED && at != CLOSE_WAIT) || sk->sk_mark == RESPONDER_MARK ||
	    !is_ours(sk))
		return 0;
	key = (u64)sk;
	known = bpf_map_lookup_elem(&sessions, &key);
	if (known) {
		known->audit = state.audit;
		return 0;
	}
	tuple_of(sk, sk->__sk_common.skc_num, &s.tuple);
	s.opened_ns = bpf_ktime_get_ns();
	s.audit = state.audit;
	if (bpf_map_update_elem(&sessions, &key, &s, BPF_NOEXIST))
		return 0;
	ADD(places_taken, 1);
	hold(peer(&s.tuple), 1);
	ADD(sessions, 1);
	ADD(walk_found, 1);
	return 0;
}

/* ---- programs that the daemon runs ----------------------------------------------------------- */

/* These programs are attached nowhere: the daemon runs them by BPF_PROG_RUN. Each deletes an entry
 * and subtracts it from the count in one step, while other CPUs go on counting. So a daemon that is
 * killed leaves nothing half done, and no update of an address's count is lost. */

/* Arguments: the tuple in three words, and when the ticket was made. A ticket with another time is
 * a later one, and stays. */
SEC("raw_tp/sys_enter")
int gate_expire(u64 *ctx)
{
	u64 words[3] = { ctx[0], ctx[1], ctx[2] }, made_ns = ctx[3];
	struct smtp_tuple t = {};
	struct gate_ticket *ticket;
	u32 flags;

	__builtin_memcpy(&t, words, sizeof(t));
	ticket = bpf_map_lookup_elem(&tickets, &t);
	if (!ticket || ticket->made_ns != made_ns)
		return 0;
	flags = ticket->flags;
	if (bpf_map_delete_elem(&tickets, &t))
		return 0;
	release_ticket(&t, flags);
	return 1;
}

/* Arguments: the socket's key, and the walk that saw it last. */
SEC("raw_tp/sys_enter")
int gate_forget(u64 *ctx)
{
	u64 key = ctx[0], audit = ctx[1];
	struct gate_session *found = bpf_map_lookup_elem(&sessions, &key), s;

	if (!found || found->audit != audit)
		return 0;
	s = *found;
	if (bpf_map_delete_elem(&sessions, &key))
		return 0;
	release(&s.tuple, s.flags);
	ADD(sessions, -1);
	return 1;
}

/* ---- for a test ------------------------------------------------------------------------------ */

/* Attached nowhere; run by BPF_PROG_RUN. Decides on state.test_request from the present plan. */
SEC("raw_tp/sys_enter")
int gate_decide(void *ctx)
{
	struct plan_request request = state.test_request;

	state.test_verdict = verdict_on(&request);
	return 0;
}

char _license[] SEC("license") = "GPL";
