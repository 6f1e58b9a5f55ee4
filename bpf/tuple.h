/* The client's end of a TCP socket, as the key of maps of gate and probe. */
#ifndef PENSTOCK_BPF_TUPLE_H
#define PENSTOCK_BPF_TUPLE_H

#include "kernel_types.h"
#include "shared.h"
#include <bpf/bpf_endian.h>

#define AF_INET_ 2
#define AF_INET6_ 10

/* Fills in `t`, which is zero before. IPv4 as ::ffff:a.b.c.d. */
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

/* The client as a source: its address, of IPv6 the first 64 bits. */
static inline u64 source_of(const struct smtp_tuple *t)
{
	if (t->address[0] || t->address[1])
		return (u64)t->address[1] << 32 | t->address[0];
	return (u64)t->address[3] << 32 | t->address[2];
}

#endif
