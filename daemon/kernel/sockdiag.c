#include "kernel/sockdiag.h"

#include "kernel/netns.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef INET_DIAG_CGROUP_ID
#define INET_DIAG_CGROUP_ID 21
#endif

static int open_here(void *context)
{
	return sockdiag_open();
}

int sockdiag_open_in(int netns_fd)
{
	return netns_run(netns_fd, open_here, NULL);
}

int sockdiag_open(void)
{
	struct timeval patience = {
		.tv_usec = 50000
	}; /* the kernel answers within the call; this is for the unheard-of */
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static int is_wanted(const uint16_t *ports, unsigned count, uint16_t port)
{
	for (unsigned i = 0; i < count && ports[i]; i++)
		if (ports[i] == port)
			return 1;
	return 0;
}

static void take(const struct nlmsghdr *h, const uint16_t *ports, unsigned ports_count,
		 struct sockdiag_listener *ret, unsigned most, unsigned *count)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	int length = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	struct sockdiag_listener l;

	if (length < 0 || *count == most ||
	    !is_wanted(ports, ports_count, ntohs(m->id.idiag_sport)))
		return;
	memset(&l, 0, sizeof(l));
	l.port = ntohs(m->id.idiag_sport);
	l.queue = m->idiag_rqueue;
	l.limit = m->idiag_wqueue;
	l.inode = m->idiag_inode;
	for (const struct rtattr *a = (const struct rtattr *)(m + 1); RTA_OK(a, length);
	     a = RTA_NEXT(a, length))
		if (a->rta_type == INET_DIAG_CGROUP_ID && RTA_PAYLOAD(a) >= sizeof(l.cgroup_id))
			memcpy(&l.cgroup_id, RTA_DATA(a), sizeof(l.cgroup_id));
	ret[(*count)++] = l;
}

static int dump(int fd, int family, const uint16_t *ports, unsigned ports_count,
		struct sockdiag_listener *ret, unsigned most, unsigned *count)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} ask = { .header = { .nlmsg_len = sizeof(ask),
			      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		  .request = { .sdiag_family = (uint8_t)family,
			       .sdiag_protocol = IPPROTO_TCP,
			       .idiag_states = 1u << TCP_LISTEN } };
	char buffer[16384] __attribute__((aligned(8)));

	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error ?: -EIO;
			if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY)
				take(h, ports, ports_count, ret, most, count);
		}
	}
}

int sockdiag_listeners(int fd, const uint16_t *ports, unsigned ports_count,
		       struct sockdiag_listener *ret, unsigned most)
{
	unsigned count = 0;
	int r = dump(fd, AF_INET, ports, ports_count, ret, most, &count);
	int r6 = dump(fd, AF_INET6, ports, ports_count, ret, most, &count);

	return r < 0 && r6 < 0 ? r : (int)count;
}
