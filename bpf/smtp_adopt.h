/* Sessions that were open before the probe: user space entered what it found of them, and the first
 * event of each ties it to its socket. Part of smtp.bpf.c. */
#ifndef PENSTOCK_BPF_SMTP_ADOPT_H
#define PENSTOCK_BPF_SMTP_ADOPT_H

#include "smtp_greeting.h"
#include "smtp_turn.h"
#include "tuple.h"

/* If this socket is a session from before the probe, takes that session over. The caller counts its
 * turn from now on, and then calls seed_counted(). */
static inline int take_seed(struct sock *sk, struct smtp_tuple *t, struct smtp_seed *seed)
{
	struct smtp_seed *found;
	struct smtp_port *port;

	tuple_of(sk, bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport)), t);
	found = bpf_map_lookup_elem(&seeds, t);
	if (!found)
		return 0;
	*seed = *found;
	if (bpf_map_delete_elem(&seeds, t))
		return 0;
	port = &ports[seed->slot & (SMTP_PORTS - 1)];
	__sync_fetch_and_add(&seeds_left, -1);
	add(&port->seeded, -1);
	add(&port->seeded_ungreeted, -(int64_t)seed->ungreeted);
	return 1;
}

static inline void seed_counted(struct smtp_port *port, const struct smtp_seed *seed)
{
	add(&port->seeded_busy, -(int64_t)seed->busy);
}

static inline void uncount_seed(struct smtp_port *port, const struct smtp_seed *seed)
{
	add(&port->in_flight, -1);
	add(&port->ungreeted, -(int64_t)seed->ungreeted);
	add(&port->busy, -(int64_t)seed->busy);
	seed_counted(port, seed);
	if (seed->ungreeted)
		wheel_add(port->wheel, seed->opened_ns, -1);
}

static inline void close_seed(struct sock *sk)
{
	struct smtp_tuple t = {};
	struct smtp_seed seed;
	struct smtp_port *port;

	if (!take_seed(sk, &t, &seed))
		return;
	port = &ports[seed.slot & (SMTP_PORTS - 1)];
	uncount_seed(port, &seed);
	if (!seed.ungreeted)
		job_done(port);
	__sync_fetch_and_add(&port->closed, 1);
}

/* Takes in a socket that the probe sees for the first time in the middle of its life, because it
 * was open before the probe. */
static inline struct smtp_session *adopt(struct sock *sk, int slot, u64 now)
{
	u64 key = (u64)sk;
	struct smtp_tuple t = {};
	struct smtp_seed seed = {};
	struct smtp_session s = {
		.opened_ns = now, .greeted_ns = now, .turned_ns = now, .slot = (u32)slot
	};
	struct smtp_port *port;
	int known = seeds_left > 0 && take_seed(sk, &t, &seed);

	if (!t.port)
		tuple_of(sk, 0, &t);
	s.source = source_of(&t);
	if (known) {
		s.opened_ns = seed.opened_ns;
		s.greeted_ns = seed.ungreeted ? 0 : seed.opened_ns;
		s.sent = seed.sent;
		s.slot = seed.slot;
		s.busy = seed.busy;
		s.wheeled = seed.ungreeted;
	}
	port = &ports[s.slot & (SMTP_PORTS - 1)];
	s.overtaken_at = when_overtaken(port);
	if (s.busy)
		note_ask(port, &s);
	if (bpf_map_update_elem(&sessions, &key, &s, BPF_NOEXIST)) {
		__sync_fetch_and_add(&sessions_lost, 1);
		if (known)
			uncount_seed(port, &seed);
		return 0;
	}
	if (s.busy)
		__sync_fetch_and_add(&port->busy_since_ns, now);
	if (known)
		seed_counted(port, &seed);
	else
		add(&port->in_flight, 1);
	return bpf_map_lookup_elem(&sessions, &key);
}

#endif
