/* The responder's sockets. Its thread opens them, because only that thread enters the network
 * namespace. */
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "front/responder_parts.h"

#define RECEIVE_BYTES 4096 /* buffer in the kernel for what one client sends */
#define FIN_WAIT_S 5

static int listen_fd(struct responder *r, int family)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	const struct sockaddr *address = family == AF_INET ? (void *)&v4 : (void *)&v6;
	socklen_t length = family == AF_INET ? sizeof(v4) : sizeof(v6);
	int one = 1, e, fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* An accepted socket has the guarded port as its local port. Without this option a
	 * restarted MTA could not bind that port. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if ((r->options.mark &&
	     setsockopt(fd, SOL_SOCKET, SO_MARK, &r->options.mark, sizeof(r->options.mark)) < 0) ||
	    bind(fd, address, length) < 0 || listen(fd, RESPONDER_BACKLOG) < 0) {
		e = -errno;
		close(fd);
		return e;
	}
	return fd;
}

/* Accepted sockets inherit the options of the listener. */
static int watch(struct responder *r, int which)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data.u32 = RESPONDER_LISTENER_0 + (uint32_t)which };
	int bytes = RECEIVE_BYTES, seconds = FIN_WAIT_S, fd = r->listener[which];

	if (fd < 0)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, IPPROTO_TCP, TCP_LINGER2, &seconds, sizeof(seconds));
	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int responder_open_sockets(struct responder *r)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = RESPONDER_WAKE };
	int e = 0;

	if (r->options.listen.count) {
		const char *which = "";

		e = endpoints_listen(&r->options.listen, RESPONDER_BACKLOG, 0666,
				     r->listener + LISTENER_EXTRA, &which);
		if (e < 0)
			snprintf(r->why, sizeof(r->why), "cannot listen on %.40s = %.60s: %s",
				 r->options.listen_option, which, strerror(-e));
	}
	if (e >= 0 && r->options.netns_fd >= 0 && setns(r->options.netns_fd, CLONE_NEWNET) < 0) {
		e = -errno;
		snprintf(r->why, sizeof(r->why),
			 "cannot enter the network namespace of front.gate.netns: %s%s",
			 strerror(-e), e == -EPERM ? " (it takes CAP_SYS_ADMIN)" : "");
	}
	if (e < 0)
		return e;
	if (!r->options.no_gate)
		r->listener[LISTENER_V4] = e = listen_fd(r, AF_INET);
	if (e < 0) {
		snprintf(r->why, sizeof(r->why), "the responder cannot listen: %s%s", strerror(-e),
			 e == -EPERM ? " (marking its socket takes CAP_NET_ADMIN)" : "");
		return e;
	}
	/* A host without IPv6 has no IPv6 to guard. */
	if (!r->options.no_gate)
		r->listener[LISTENER_V6] = listen_fd(r, AF_INET6);
	for (int i = 0; i < LISTENERS; i++)
		if ((e = watch(r, i)) < 0)
			return e;
	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->wake_fd, &event) < 0 ? -errno : 0;
}
