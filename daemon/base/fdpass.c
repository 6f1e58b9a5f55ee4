#include "base/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char octets[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

int fdpass_send(int socket, const void *octets, size_t length, const int *fds, unsigned count)
{
	union control control = { .octets = { 0 } };
	struct iovec part = { (void *)octets, length };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (count > FDPASS_MAX)
		return -EINVAL;
	if (count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	return sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void take(struct msghdr *header, struct fdpass *ret)
{
	/* All descriptors are in one part. With SO_PASSCRED another part, about the sender, may
	 * come before it. */
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		ret->count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(ret->fds, CMSG_DATA(c), ret->count * sizeof(int));
	}
	ret->lost = header->msg_flags & MSG_CTRUNC;
	while (ret->lost && ret->count)
		close(ret->fds[--ret->count]);
}

ssize_t fdpass_receive(int socket, void *ret_octets, size_t size, int flags, struct fdpass *ret)
{
	union control control;
	struct iovec part = { ret_octets, size };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);

	ret->count = 0;
	ret->lost = false;
	if (n < 0)
		return -errno;
	take(&header, ret);
	return n;
}
