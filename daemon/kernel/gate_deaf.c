/* A listener that drops every SYN: a filter on its socket drops all packets. The gate's lookup
 * program cannot drop a SYN itself (SK_DROP answers it with RST), but it can assign the SYN to this
 * socket. */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/gate_parts.h"
#include "kernel/netns.h"

static int listen_deaf(int family)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	const struct sockaddr *address = family == AF_INET ? (void *)&v4 : (void *)&v6;
	socklen_t length = family == AF_INET ? sizeof(v4) : sizeof(v6);
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &nothing };
	int r, fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0 &&
	    bind(fd, address, length) == 0 && listen(fd, 1) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int open_inside(void *context)
{
	int *fds = context;

	fds[0] = listen_deaf(AF_INET);
	fds[1] = listen_deaf(AF_INET6);
	return 0;
}

void gate_deaf_open(int netns_fd, int ret_fds[2])
{
	int r;

	ret_fds[0] = ret_fds[1] = -1;
	r = netns_run(netns_fd, open_inside, ret_fds);
	if (r < 0)
		ret_fds[0] = ret_fds[1] = r;
}
