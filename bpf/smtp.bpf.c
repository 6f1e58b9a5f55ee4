/* Sessions on the services' ports, from socket states: in flight, waiting for the greeting,
 * connect-to-220, which side spoke last.
 *
 * A session opens at SYN_RECV -> ESTABLISHED and counts until the server closes: at FIN_WAIT1,
 * LAST_ACK or CLOSE. It still counts in CLOSE_WAIT, when the client has gone but the server works
 * on. At TCP_CLOSE an accepted socket has no local port any more, so the session's entry keeps the
 * port.
 *
 * tcp_probe, which fires for each received segment, shows which side spoke last. After data from
 * the client the server owes an answer. The next segment shows whether the server has sent since,
 * and so has answered. Connect-to-220 comes from first_tx_mstamp, the true send time, which is
 * known one round trip late; sock_send_length (6.3) shows it at once. Both may run for one socket
 * at the same time: the daemon's audit corrects drift.
 *
 * A segment of a message body asks for no answer, and a sender that stalls in the middle of one is
 * no load. But the program cannot read the segment's data (it lies in pages). So it looks at the
 * server's end: once a tick each busy session is checked, and if its server has read all data and
 * sleeps waiting for this very socket, it owes nothing. For servers that sleep in epoll_wait() this
 * shows nothing, since epoll always waits: for them only the side that spoke last counts, until the
 * session is stuck. The program cannot distinguish a 421 from the answer that was owed.
 *
 * tests/smtp/dialogues.h is the table of what this program and the proxy's core/smtp_track.h must
 * both see, and where they cannot agree. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>
#include "smtp_maps.h"
#include "smtp_turn.h"
#include "smtp_greeting.h"
#include "smtp_adopt.h"
#include "tuple.h"

enum { ESTABLISHED = 1, SYN_RECV = 3, FIN_WAIT1 = 4, CLOSE = 7, LAST_ACK = 9 };

static inline int is_ours(struct sock *sk)
{
	/* A connection that the gate passed to penstock's responder is not a session of the
	 * server. */
	return sk->sk_mark != RESPONDER_MARK &&
	       (!netns_inum || sk->__sk_common.skc_net.net->ns.inum == netns_inum);
}

static inline void open_session(struct sock *sk, int slot)
{
	u64 key = (u64)sk, now = bpf_ktime_get_ns();
	struct smtp_port *port = &ports[slot & (SMTP_PORTS - 1)];
	struct smtp_session s = {
		.opened_ns = now, .turned_ns = now, .slot = (u32)slot, .wheeled = 1
	};
	struct smtp_tuple t = {};

	tuple_of(sk, 0, &t);
	s.source = source_of(&t);
	s.busy = !client_first[slot & (SMTP_PORTS - 1)];
	s.overtaken_at = when_overtaken(port);
	if (bpf_map_update_elem(&sessions, &key, &s, BPF_NOEXIST)) {
		__sync_fetch_and_add(&sessions_lost, 1);
		return;
	}
	__sync_fetch_and_add(&port->opened, 1);
	add(&port->in_flight, 1);
	add(&port->ungreeted, 1);
	wheel_add(port->wheel, now, 1);
	if (s.busy)
		count_busy(port, now);
}

static inline void close_session(struct sock *sk)
{
	u64 key = (u64)sk, now, work;
	struct smtp_session *found = bpf_map_lookup_elem(&sessions, &key), s;
	struct smtp_tuple t = {};
	struct smtp_port *port;

	if (!found) {
		if (seeds_left > 0)
			close_seed(sk);
		return;
	}
	s = *found;
	if (bpf_map_delete_elem(&sessions, &key))
		return; /* another CPU was first */
	now = bpf_ktime_get_ns();
	port = &ports[s.slot & (SMTP_PORTS - 1)];
	set_busy(port, &s, now, 0);
	if (s.wheeled)
		leave_wheel(port, &s);
	add(&port->in_flight, -1);
	__sync_fetch_and_add(&port->closed, 1);
	tuple_of(sk, watched[s.slot & (SMTP_PORTS - 1)], &t);
	if (!bpf_map_delete_elem(&refused, &t)) {
		add(&port->refused_open, -1);
		return; /* penstock's own refusal is not a session of the server */
	}
	work = (s.server_ns & ((1ull << 56) - 1)) | (u64)(s.turns < 255 ? s.turns : 255) << 56;
	bpf_map_update_elem(&ended, &t, &work, BPF_ANY);
	if (s.spoke && s.turns > 1)
		job_done(port);
	__sync_fetch_and_add(&port->session_us, (now - s.opened_ns - s.was_stuck_ns) / 1000);
	__sync_fetch_and_add(&port->server_us, s.server_ns / 1000);
}

SEC("tp_btf/inet_sock_set_state")
int smtp_state(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int before = (int)ctx[1], now = (int)ctx[2], slot;

	if (now == ESTABLISHED && before == SYN_RECV) {
		slot = find_port(sk->__sk_common.skc_num);
		if (slot >= 0 && is_ours(sk))
			open_session(sk, slot);
	} else if (now == FIN_WAIT1 || now == LAST_ACK || now == CLOSE) {
		close_session(sk);
	}
	return 0;
}

/* Bytes of mail in a received segment: its length without the TCP header, whose length is in its
 * 13th octet (RFC 9293 3.1). */
static inline u32 payload(struct sk_buff *skb)
{
	u8 offset = 0;
	u32 header;

	if (bpf_probe_read_kernel(&offset, sizeof(offset), skb->data + 12))
		return 0;
	header = (offset >> 4) * 4;
	return skb->len > header ? skb->len - header : 0;
}

/* Checks whether the server has sent something since the last check, and so has answered. */
static inline void look_at_sent(struct smtp_port *port, struct smtp_session *s, struct sock *sk,
				u64 now)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	u64 sent;

	if (!tp)
		return;
	sent = tp->bytes_sent;
	if (sent <= s->sent)
		return;
	s->sent = sent;
	if (!s->greeted_ns)
		greeted(port, s, now, tp->first_tx_mstamp * 1000);
	answered(port, s, now);
}

/* Runs for each segment received on an established connection, before the kernel processes it. */
SEC("tp_btf/tcp_probe")
int smtp_segment(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	u64 key = (u64)sk, now;
	struct smtp_port *port;
	struct smtp_session *s;
	int slot = find_port(sk->__sk_common.skc_num);

	if (slot < 0)
		return 0;
	s = bpf_map_lookup_elem(&sessions, &key);
	if (!s && sk->__sk_common.skc_state == ESTABLISHED && is_ours(sk))
		s = adopt(sk, slot, bpf_ktime_get_ns());
	if (!s)
		return 0;
	port = &ports[s->slot & (SMTP_PORTS - 1)];
	now = bpf_ktime_get_ns();
	look_at_sent(port, s, sk, now);
	if ((s->greeted_ns || client_first[s->slot & (SMTP_PORTS - 1)]) &&
	    payload((void *)ctx[1])) {
		s->spoke = 1;
		set_busy(port, s, now, 1);
	}
	return 0;
}

/* From 6.3 on: sees an answer at once, and not only when the client acknowledges it. */
SEC("tp_btf/sock_send_length")
int smtp_send(u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	u64 key = (u64)sk;
	struct smtp_session *s;

	if ((int)ctx[1] <= 0 || find_port(sk->__sk_common.skc_num) < 0)
		return 0;
	s = bpf_map_lookup_elem(&sessions, &key);
	if (s)
		look_at_sent(&ports[s->slot & (SMTP_PORTS - 1)], s, sk, bpf_ktime_get_ns());
	return 0;
}

/* Whether a process sleeps until something comes on this socket, and has read all that came. */
static inline int server_waits(u64 key)
{
	struct sock *sk = (void *)key;
	struct tcp_sock *tp = (void *)key;
	struct socket_wq *wq = BPF_CORE_READ(sk, sk_wq);
	struct list_head *head, *at;

	if (!wq || BPF_CORE_READ(tp, copied_seq) != BPF_CORE_READ(tp, rcv_nxt))
		return 0;
	head = (void *)wq + bpf_core_field_offset(struct socket_wq, wait) +
	       bpf_core_field_offset(struct wait_queue_head, head);
	at = BPF_CORE_READ(head, next);
#pragma unroll
	for (int i = 0; i < 3; i++) {
		struct wait_queue_entry *entry =
			(void *)at - bpf_core_field_offset(struct wait_queue_entry, entry);

		if (!at || at == head)
			return 0;
		/* epoll's entries belong to no task; those of recv(), poll() and select() do. */
		if (BPF_CORE_READ(entry, private))
			return 1;
		at = BPF_CORE_READ(at, next);
	}
	return 0;
}

static __noinline int look_at(u64 asked)
{
	u64 key = asked & ~(u64)SMTP_LOOK_LIMITED, now = bpf_ktime_get_ns();
	struct smtp_session *s = bpf_map_lookup_elem(&sessions, &key);
	struct smtp_port *port;
	int overtaken;

	if (!s || !s->busy)
		return 0;
	port = &ports[s->slot & (SMTP_PORTS - 1)];
	overtaken = s->wheeled && port->given >= s->overtaken_at;
	if (overtaken)
		leave_wheel(port, s);
	if (s->greeted_ns && server_waits(key) && s->busy)
		take_back(port, s);
	else if ((overtaken || is_overtaken(port, s) || is_owed_long(port, s, now)) && s->busy)
		become_stuck(port, s, now);
	else if (asked & SMTP_LOOK_LIMITED && is_slow(port, s, now) && s->busy) {
		become_stuck(port, s, now);
		s->asked = 0; /* its answer tells nothing of the bounds */
	}
	return 0;
}

/* Attached nowhere: the daemon runs it by BPF_PROG_RUN, once a tick for all busy sessions.
 * Arguments: the keys of as many as fit; 0 stands for none. An iterator over the map would do the
 * same, but kernels with the fix of its writes to read-only maps may refuse it. */
SEC("raw_tp/sys_enter")
int smtp_look(u64 *ctx)
{
	u64 keys[SMTP_LOOKS] = { ctx[0], ctx[1], ctx[2], ctx[3], ctx[4],  ctx[5],
				 ctx[6], ctx[7], ctx[8], ctx[9], ctx[10], ctx[11] };

#pragma unroll
	for (int i = 0; i < SMTP_LOOKS; i++)
		if (keys[i])
			look_at(keys[i]);
	return 0;
}

char _license[] SEC("license") = "GPL";
