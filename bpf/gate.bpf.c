/* The gate. sk_lookup runs for every new connection to the guarded ports before a listener is looked for: admitted ones pass
 * (SK_PASS, no socket chosen), the others are given to the responder's listener. What is in doubt passes.
 *
 * The count of sessions in flight is the kernel's own: `used` = tickets + sessions. A verdict that admits makes a ticket for
 * the connection's tuple; the ticket becomes a session when the handshake is complete; it ends when the server closes, or when
 * its socket is destroyed. Segments that are looked up again (retransmitted SYN, the ACK of a SYN cookie) find the ticket, or
 * the refusal, and meet the same fate. Tickets whose client vanished are taken away by the daemon. Whoever deletes an entry
 * successfully takes its one off `used`: no other rule is needed among CPUs, programs and the daemon.
 *
 * What is left: a SYN cookie's ACK that comes after its ticket expired, or after so many other refusals that its own was
 * forgotten, is decided anew. A program of this kind sees no flags, so it cannot know; a verdict by the hash of the tuple would not
 * keep to the window. When it then comes to the other listener and that one has sent no cookies of late, the kernel resets it.
 *
 * Without fetching atomics (before 5.12, GATE_NO_FETCH) `used` is read, then added to: it may be passed by one a CPU. */
#define inline \
	inline __attribute__((always_inline)) /* structs by value: BPF has no calls for them */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "gate_shared.h"
#include "time_slot.h"

#define AF_INET_ 2
#define AF_INET6_ 10
#define IPPROTO_TCP_ 6
#define E_EXIST 17
enum { PASS = 1 };
enum { ESTABLISHED = 1, SYN_RECV = 3, FIN_WAIT1 = 4, CLOSE = 7, CLOSE_WAIT = 8, LAST_ACK = 9 };

/* Given by the kernel's <linux/bpf.h>. */
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
} seen SEC(".maps");

/* The responder's listeners: IPv4, IPv6. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} responder SEC(".maps");

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

/* By plan_group() of the address: what the daemon knows of a source. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, GATE_RANKS);
	__type(key, u64);
	__type(value, struct plan_source);
} ranks SEC(".maps");

/* By peer(): tickets and sessions of one address. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GATE_SOURCES);
	__type(key, u64);
	__type(value, int64_t);
} held SEC(".maps");

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

/* The probe's count, when it is shared: its map is put in this one's place before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, int64_t);
} probe SEC(".maps");

const volatile struct gate_probe_place probe_place = {};
struct gate_state state = {};

#define ADD(field, value) __sync_fetch_and_add(&state.field, value)

/* `used` before one was added to it. */
static inline int64_t take_place(void)
{
#ifdef GATE_NO_FETCH
	int64_t before = *(volatile int64_t *)&state.used;

	ADD(used, 1);
	return before;
#else
	return __sync_fetch_and_add(&state.used, 1);
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

/* Whose sessions are counted together: an IPv4 address, an IPv6 /64; as the proxy does. No /64 begins with 0000:ffff in its middle
 * 16 bits and 16 zero bits before, so the two never meet. */
static inline u64 peer(const struct smtp_tuple *t)
{
	if (t->address[0] == 0 && t->address[1] == 0 && t->address[2] == bpf_htonl(0xffff))
		return 0xffff00000000ull | bpf_ntohl(t->address[3]);
	return (u64)bpf_ntohl(t->address[0]) << 32 | bpf_ntohl(t->address[1]);
}

/* One more or less of an address's sessions. An address too many is not counted, and so not limited. */
static inline void hold(u64 who, int64_t by)
{
	int64_t *n = bpf_map_lookup_elem(&held, &who), one = 1;

	if (!n && by > 0 && bpf_map_update_elem(&held, &who, &one, BPF_NOEXIST) == -E_EXIST)
		n = bpf_map_lookup_elem(&held, &who);
	if (!n)
		return;
	__sync_fetch_and_add(n, by);
	if (by < 0 && *(volatile int64_t *)n <= 0)
		bpf_map_delete_elem(&held, &who);
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

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
	/* The daemon reads once a tick: nobody is woken. */
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

/* ---- the verdict ------------------------------------------------------------------------------------------------- */

/* plan_bucket_refill() for several CPUs at once: whoever moves the time adds what came in. */
static inline u32 tokens_milli(const struct plan_service *s, u64 now_us)
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
	return plan_bucket_milli(now);
}

static inline int is_local(const struct smtp_tuple *t)
{
	if (t->address[0] == 0 && t->address[1] == 0 && t->address[2] == bpf_htonl(0xffff))
		return (bpf_ntohl(t->address[3]) >> 24) == 127;
	return t->address[0] == 0 && t->address[1] == 0 && t->address[2] == 0 &&
	       t->address[3] == bpf_htonl(1);
}

/* What is known of the client's source. */
static inline void describe_source(const struct smtp_tuple *t, const struct plan *plan,
				   struct plan_request *r)
{
	u64 group = plan_group((const uint8_t *)t->address);
	struct plan_source source = state.absent, *known;
	u64 who = peer(t);
	int64_t *n;

	r->score = PLAN_UNLIMITED;
	source.group = group;
	if (state.ranked) {
		known = bpf_map_lookup_elem(&ranks, &group);
		if (known)
			source = *known;
		plan_rank(plan, &source, r);
	}
	n = bpf_map_lookup_elem(&held, &who);
	r->sessions = n && *n > 0 ? (u32)*n : 0;
}

/* Sessions that wait for their greeting, or will in a moment. The probe knows them at every moment; not yet those whose
 * handshake goes on, of which only those that came since the plan are added: clients that are far away always have some. */
static inline u32 waiting(void)
{
	int64_t n = state.waiting, fresh;
	u32 zero = 0;
	char *counted;

	if (probe_place.slots) {
		counted = bpf_map_lookup_elem(&probe, &zero);
		if (!counted)
			return 0;
		n = 0;
#pragma unroll
		for (u32 i = 0; i < SMTP_PORTS; i++)
			if (probe_place.slots & (1u << i))
				n += *(volatile int64_t *)(counted + probe_place.at +
							   i * sizeof(struct smtp_port));
		fresh = (int64_t)(*(volatile u64 *)&state.tickets_made -
				  *(volatile u64 *)&state.tickets_used) -
			state.tickets_then;
		if (fresh > 0 && !state.sessions_only)
			n += fresh;
	}
	return n > 0 ? (u32)n : 0;
}

static inline void describe(const struct smtp_tuple *t, const struct plan *plan, u64 now_us,
			    struct plan_request *r)
{
	struct gate_network_key key = { .bits = 128 };

	__builtin_memcpy(key.address, t->address, sizeof(key.address));
	r->now_us = now_us;
	r->service = state.service;
	r->tokens_milli = PLAN_UNLIMITED;
	if (state.service < PLAN_SERVICES) {
		r->tokens_milli = tokens_milli(&plan->service[plan_slot(state.service)], now_us);
		if (plan->service[plan_slot(state.service)].waiting_max != PLAN_UNLIMITED)
			r->waiting = waiting();
	}
	if (state.trusted_count && bpf_map_lookup_elem(&trusted_networks, &key))
		r->trusted = 1;
	if (state.refused_count && bpf_map_lookup_elem(&refused_networks, &key))
		r->refused = 1;
	describe_source(t, plan, r);
}

/* An admitted connection gets its ticket; a full map is no reason to turn anybody away. */
static inline void admit(const struct smtp_tuple *t, const struct verdict *v, u64 now)
{
	struct gate_ticket ticket = { .made_ns = now, .verdict = *v };
	long r;

	if (v->would_defer) {
		ADD(used, -1);
		ticket.flags = GATE_UNCOUNTED;
	}
	/* Before the ticket is there to be taken off: one that came off first would leave its count behind for ever. */
	hold(peer(t), 1);
	r = bpf_map_update_elem(&tickets, t, &ticket, BPF_NOEXIST);
	if (r == 0) {
		ADD(tickets_made, 1);
		if (!v->would_defer)
			ADD(bucket.tokens_nano, -PLAN_TOKEN_NANO);
		return;
	}
	hold(peer(t), -1);
	if (!v->would_defer)
		ADD(used, -1);
	if (r != -E_EXIST)
		ADD(passed_full, 1);
}

static inline struct verdict decide(const struct smtp_tuple *t, const struct plan *plan, u64 now)
{
	struct plan_request request = {};
	struct verdict v;
	int64_t before;
	int counting;

	describe(t, plan, now / 1000, &request);
	counting = !state.sessions_only;
	before = counting ? take_place() : *(volatile int64_t *)&state.sessions;
	request.in_flight = before > 0 ? (u32)before : 0;
	v = plan_decide(plan, &request);
	if (v.admit && counting)
		admit(t, &v, now);
	else if (counting)
		ADD(used, -1);
	return v;
}

/* ---- the lookup -------------------------------------------------------------------------------------------------- */

static inline int to_responder(struct bpf_sk_lookup *ctx, const struct smtp_tuple *t,
			       const struct verdict *v, u64 now)
{
	u32 slot = ctx->family == AF_INET6_;
	struct bpf_sock *sk = bpf_map_lookup_elem(&responder, &slot);
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
	if (v) {
		struct gate_refusal refusal = { .at_ns = now, .verdict = *v };

		bpf_map_update_elem(&refused, t, &refusal, BPF_ANY);
	}
	if (bpf_sk_assign(ctx, sk, 0))
		ADD(passed_closed, 1);
	bpf_sk_release(sk);
	return PASS;
}

static inline int lookup(struct bpf_sk_lookup *ctx, struct smtp_tuple *t)
{
	const struct plan *plan = &state.plan[state.current & 1];
	struct verdict down = { 0, 0, REASON_BACKEND, LIMIT_NONE }, v;
	u64 now = bpf_ktime_get_ns(), *closed;
	struct gate_refusal *before;

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
	if (bpf_map_lookup_elem(&tickets, t))
		return PASS;
	before = bpf_map_lookup_elem(&refused, t);
	if (before && now - before->at_ns < GATE_REFUSED_NS)
		return to_responder(ctx, t, 0, now);
	closed = bpf_map_lookup_elem(&seen, t);
	if (closed && now - *closed < GATE_SEEN_NS)
		return PASS;
	if (state.answer_all)
		return to_responder(ctx, t, &down, now);
	v = decide(t, plan, now);
	return v.admit ? PASS : to_responder(ctx, t, &v, now);
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

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

static inline int is_ours(struct sock *sk)
{
	return is_guarded(sk->__sk_common.skc_num) &&
	       sk->__sk_common.skc_net.net->ns.inum == state.netns_inum;
}

static inline void tuple_of(struct sock *sk, u16 local, struct smtp_tuple *t)
{
	if (sk->__sk_common.skc_family == AF_INET_) {
		t->address[2] = bpf_htonl(0xffff);
		t->address[3] = sk->__sk_common.skc_daddr;
	} else {
		t->address[0] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[0];
		t->address[1] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[1];
		t->address[2] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[2];
		t->address[3] = sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32[3];
	}
	t->port = bpf_ntohs(sk->__sk_common.skc_dport);
	t->local = local;
}

/* A client of the responder: here the refusal is counted. */
static inline void refused_opened(const struct smtp_tuple *t, u64 now)
{
	struct gate_refusal *r = bpf_map_lookup_elem(&refused, t);

	if (!r || r->counted)
		return;
	r->counted = 1;
	count(&r->verdict);
	tell(t, &r->verdict, now, 0, 0);
}

/* What a ticket or a session held. */
static inline void release(const struct smtp_tuple *t, u32 flags)
{
	hold(peer(t), -1);
	if (!(flags & GATE_UNCOUNTED))
		ADD(used, -1);
}

static inline void opened(struct sock *sk, const struct smtp_tuple *t, u64 now)
{
	u64 key = (u64)sk;
	struct gate_session s = { .tuple = *t, .opened_ns = now, .audit = state.audit };
	struct verdict v = plan_admit(REASON_NONE);
	struct gate_ticket *ticket = bpf_map_lookup_elem(&tickets, t);
	u64 made = 0;
	long r;

	if (ticket) {
		v = ticket->verdict;
		s.flags = ticket->flags;
		made = ticket->made_ns;
	} else if (!plan_is_fresh(&state.plan[state.current & 1], now / 1000)) {
		v.reason = REASON_STALE;
	}
	r = bpf_map_update_elem(&sessions, &key, &s, BPF_NOEXIST);
	if (r == -E_EXIST)
		return;
	if (ticket && bpf_map_delete_elem(&tickets, t) == 0) {
		u32 slot = log2_u64((now - made) / 1000);

		ADD(tickets_used, 1);
		asm volatile("" : "+r"(slot));
		state.handshakes[slot & (GATE_HANDSHAKE_SLOTS - 1)]++;
		if (r)
			release(&s.tuple, s.flags);
	} else if (r == 0) {
		/* Late: nobody asked for it, or its ticket had expired. */
		if (!(s.flags & GATE_UNCOUNTED))
			ADD(used, 1);
		hold(peer(t), 1);
	}
	if (r == 0)
		ADD(sessions, 1);
	else
		ADD(sessions_lost, 1);
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
	bpf_map_update_elem(&seen, &s.tuple, &now, BPF_ANY);
	if (bpf_map_delete_elem(&sessions, &key))
		return; /* another was first */
	release(&s.tuple, s.flags);
	ADD(sessions, -1);
	tell(&s.tuple, &none, now, now - s.opened_ns, 1);
}

SEC("tp_btf/inet_sock_set_state")
int gate_state(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int before = (int)ctx[1], now = (int)ctx[2];
	struct smtp_tuple t = {};

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

/* Heals what a lost event left. */
SEC("tp_btf/tcp_destroy_sock")
int gate_destroy(u64 *ctx)
{
	closed((void *)ctx[0]);
	return 0;
}

/* One socket of the walk over all: those that the count does not know join it, those it knows are marked. Whatever is not
 * marked at the end has no socket: the daemon takes it off. */
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
	ADD(used, 1);
	hold(peer(&s.tuple), 1);
	ADD(sessions, 1);
	ADD(walk_found, 1);
	return 0;
}

/* ---- taking off by hand ------------------------------------------------------------------------------------------- */

/* Attached nowhere: the daemon runs them by BPF_PROG_RUN. An entry goes and its one comes off in one step, beside whatever
 * other CPUs count: a daemon that is killed leaves nothing half done, and two counts of an address do not write over each other. */

/* The tuple in three words, and when the ticket was made: it may have been used since, and be another one. */
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
	release(&t, flags);
	return 1;
}

/* The socket's key, and the walk that saw it last. */
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

/* ---- the proof --------------------------------------------------------------------------------------------------- */

/* Attached nowhere: run by BPF_PROG_RUN, it decides on state.test_request from the plan in force. */
SEC("raw_tp/sys_enter")
int gate_decide(void *ctx)
{
	struct plan_request request = state.test_request;

	state.test_verdict = plan_decide(&state.plan[state.current & 1], &request);
	return 0;
}

char _license[] SEC("license") = "GPL";
