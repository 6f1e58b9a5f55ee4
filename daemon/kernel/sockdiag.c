#include "kernel/sockdiag.h"

#include "kernel/netns.h"

#include <errno.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"

#ifndef INET_DIAG_CGROUP_ID
#define INET_DIAG_CGROUP_ID 21
#endif

/* A netlink socket, or -errno. */
static int open_socket(void)
{
	/* The kernel answers within the call. This bounds the wait in case it ever does not. */
	const struct timeval patience = { .tv_usec = 50000 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static int open_here(void *context)
{
	return open_socket();
}

int sockdiag_open_mta(const struct config *config)
{
	char why[256];
	int fd, netns_fd;

	if (!config->gate.enabled || !config->gate.netns[0])
		return open_socket();
	netns_fd = netns_open(config->gate.netns, why);
	if (netns_fd < 0)
		return netns_fd;
	fd = sockdiag_open_in(netns_fd);
	close(netns_fd);
	return fd;
}

int sockdiag_open_in(int netns_fd)
{
	return netns_run(netns_fd, open_here, NULL);
}

static int is_wanted(const uint16_t *ports, unsigned count, uint16_t port)
{
	for (unsigned i = 0; i < count && ports[i]; i++)
		if (ports[i] == port)
			return 1;
	return 0;
}

/* Of include/net/tcp_states.h, which is the kernel's own. */
enum { STATE_ESTABLISHED = 1, STATE_CLOSE_WAIT = 8, STATE_LISTEN = 10 };

/* One request to sock_diag, and where its results go. */
struct query {
	const uint16_t *ports;
	unsigned ports_count, most, count;
	uint32_t states;
	uint8_t extensions;
	/* One socket on a wanted port; `length` bytes of attributes follow. */
	void (*take)(struct query *query, const struct inet_diag_msg *m, int length);
	struct sockdiag_listener *listeners;
	struct sockdiag_session *sessions;
	const uint64_t *groups; /* for take_client; then `most` is the number of listeners */
	unsigned groups_count;
};

static uint64_t cgroup_id_of(const struct inet_diag_msg *m, int length)
{
	uint64_t id = 0;

	for (const struct rtattr *a = (const struct rtattr *)(m + 1); RTA_OK(a, length);
	     a = RTA_NEXT(a, length))
		if (a->rta_type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(a) >= sizeof(id))
			memcpy(&id, RTA_DATA(a), sizeof(id));
	return id;
}

/* Converts to the kernel's form for tuples: IPv4 mapped into IPv6. */
static void mapped(struct in6_addr *ret, int family, const __be32 *address)
{
	if (family == AF_INET6)
		memcpy(ret, address, sizeof(*ret));
	else
		address_map_v4(address, ret);
}

static void take_listener(struct query *q, const struct inet_diag_msg *m, int length)
{
	struct sockdiag_listener l;

	memset(&l, 0, sizeof(l));
	mapped(&l.address, m->idiag_family, m->id.idiag_src);
	l.port = ntohs(m->id.idiag_sport);
	l.queue = m->idiag_rqueue;
	l.limit = m->idiag_wqueue;
	l.inode = m->idiag_inode;
	l.cgroup_id = cgroup_id_of(m, length);
	q->listeners[q->count++] = l;
}

static void take_session(struct query *q, const struct inet_diag_msg *m, int length)
{
	struct sockdiag_session s = { .port = ntohs(m->id.idiag_sport),
				      .client_port = ntohs(m->id.idiag_dport) };
	struct tcp_info info = { 0 };

	mapped(&s.client, m->idiag_family, m->id.idiag_dst);
	for (const struct rtattr *a = (const struct rtattr *)(m + 1); RTA_OK(a, length);
	     a = RTA_NEXT(a, length)) {
		size_t n = RTA_PAYLOAD(a);

		if (a->rta_type == INET_DIAG_INFO)
			memcpy(&info, RTA_DATA(a), n < sizeof(info) ? n : sizeof(info));
		else if (a->rta_type == INET_DIAG_MARK && n >= sizeof(s.mark))
			memcpy(&s.mark, RTA_DATA(a), sizeof(s.mark));
	}
	s.bytes_sent = info.tcpi_bytes_sent;
	s.sent_ago_ms = info.tcpi_last_data_sent;
	s.received_ago_ms = info.tcpi_last_data_recv;
	q->sessions[q->count++] = s;
}

static bool is_any(const struct in6_addr *a)
{
	static const struct in6_addr any, any4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	return memcmp(a, &any, sizeof(any)) == 0 || memcmp(a, &any4, sizeof(any4)) == 0;
}

/* A connection within this host has the same address at both ends, or a loopback one. */
static bool is_local(const struct in6_addr *from, const struct in6_addr *to)
{
	return memcmp(from, to, sizeof(*from)) == 0 || IN6_IS_ADDR_LOOPBACK(to) ||
	       (IN6_IS_ADDR_V4MAPPED(to) && to->s6_addr[12] == 127);
}

/* A client: one end of a connection whose other end has a port with a listener. */
static void take_client(struct query *q, const struct inet_diag_msg *m, int length)
{
	uint16_t port = ntohs(m->id.idiag_dport);
	uint64_t group = cgroup_id_of(m, length);
	struct in6_addr from, to;
	bool wanted = false;

	for (unsigned i = 0; i < q->groups_count && !wanted; i++)
		wanted = group && group == q->groups[i];
	mapped(&from, m->idiag_family, m->id.idiag_src);
	mapped(&to, m->idiag_family, m->id.idiag_dst);
	if (!wanted || !is_local(&from, &to))
		return;
	for (unsigned i = 0; i < q->most; i++) {
		struct sockdiag_listener *l = &q->listeners[i];

		if (l->port != port ||
		    (!is_any(&l->address) && memcmp(&l->address, &to, sizeof(to)) != 0))
			continue;
		l->clients++;
		return;
	}
}

static void take(struct query *q, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	int length = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));

	if (length >= 0 && q->count < q->most &&
	    (!q->ports || is_wanted(q->ports, q->ports_count, ntohs(m->id.idiag_sport))))
		q->take(q, m, length);
}

static int parse(struct query *q, const struct sockdiag_message *m)
{
	int left = m->size > INT_MAX ? INT_MAX : (int)m->size;

	for (const struct nlmsghdr *h = m->bytes; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		const struct nlmsgerr *error = NLMSG_DATA(h);

		if (h->nlmsg_seq != m->sequence)
			continue;
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) && error->error < 0 &&
					       error->error >= -4095
				       ? error->error
				       : -EIO;
		if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY)
			take(q, h);
	}
	return 0;
}

static int parse_into(struct query q, const struct sockdiag_message *message, unsigned *count)
{
	int r;

	q.count = *count;
	r = parse(&q, message);
	*count = q.count;
	return r;
}

int sockdiag_parse_listeners(const struct sockdiag_message *message, const uint16_t *ports,
			     unsigned ports_count, struct sockdiag_listener *ret, unsigned most,
			     unsigned *count)
{
	const struct query q = { .ports = ports,
				 .ports_count = ports_count,
				 .most = most,
				 .take = take_listener,
				 .listeners = ret };

	return parse_into(q, message, count);
}

int sockdiag_parse_sessions(const struct sockdiag_message *message, const uint16_t *ports,
			    unsigned ports_count, struct sockdiag_session *ret, unsigned most,
			    unsigned *count)
{
	const struct query q = { .ports = ports,
				 .ports_count = ports_count,
				 .most = most,
				 .take = take_session,
				 .sessions = ret };

	return parse_into(q, message, count);
}

static struct query of_clients(const uint64_t *groups, unsigned groups_count,
			       struct sockdiag_listener *listeners, unsigned count)
{
	return (struct query){ .most = count,
			       .states = 1u << STATE_ESTABLISHED,
			       .take = take_client,
			       .listeners = listeners,
			       .groups = groups,
			       .groups_count = groups_count };
}

int sockdiag_parse_clients(const struct sockdiag_message *message, const uint64_t *groups,
			   unsigned groups_count, struct sockdiag_listener *listeners,
			   unsigned count)
{
	struct query q = of_clients(groups, groups_count, listeners, count);

	return parse(&q, message);
}

static int dump(int fd, int family, uint32_t sequence, struct query *q)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} ask = { .header = { .nlmsg_len = sizeof(ask),
			      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			      .nlmsg_seq = sequence },
		  .request = { .sdiag_family = (uint8_t)family,
			       .sdiag_protocol = IPPROTO_TCP,
			       .idiag_ext = q->extensions,
			       .idiag_states = q->states } };
	char buffer[16384] __attribute__((aligned(8)));

	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		r = parse(q, &(struct sockdiag_message){ buffer, (size_t)n, sequence });
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

/* Differs for each dump: answers to an earlier dump that timed out may still come. */
static uint32_t next_sequence(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint32_t)ts.tv_sec * 1000000u + (uint32_t)ts.tv_nsec / 1000;
}

static int dump_both(int fd, struct query *q)
{
	uint32_t sequence = next_sequence();
	int r = dump(fd, AF_INET, sequence, q), r6 = dump(fd, AF_INET6, sequence + 1, q);

	return r < 0 && r6 < 0 ? r : (int)q->count;
}

int sockdiag_listeners(int fd, const uint16_t *ports, unsigned ports_count,
		       struct sockdiag_listener *ret, unsigned most)
{
	struct query q = { .ports = ports,
			   .ports_count = ports_count,
			   .most = most,
			   .states = 1u << STATE_LISTEN,
			   .take = take_listener,
			   .listeners = ret };

	return dump_both(fd, &q);
}

int sockdiag_count_clients(int fd, const uint64_t *groups, unsigned groups_count,
			   struct sockdiag_listener *listeners, unsigned count)
{
	struct query q = of_clients(groups, groups_count, listeners, count);
	int r = dump_both(fd, &q);

	return r < 0 ? r : 0;
}

int sockdiag_sessions(int fd, const uint16_t *ports, unsigned ports_count,
		      struct sockdiag_session *ret, unsigned most)
{
	struct query q = { .ports = ports,
			   .ports_count = ports_count,
			   .most = most,
			   .states = 1u << STATE_ESTABLISHED | 1u << STATE_CLOSE_WAIT,
			   .extensions = 1u << (INET_DIAG_INFO - 1),
			   .take = take_session,
			   .sessions = ret };

	return dump_both(fd, &q);
}
