/* Passes descriptors to another process with a message, over a Unix socket that keeps the borders
 * of messages (SOCK_SEQPACKET, SOCK_DGRAM). See SCM_RIGHTS in unix(7). */
#ifndef PENSTOCK_BASE_FDPASS_H
#define PENSTOCK_BASE_FDPASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 16 /* descriptors with one message; even, so that no more fit (CMSG_SPACE) */

/* The descriptors of a message. The receiver owns them. */
struct fdpass {
	int fds[FDPASS_MAX];
	unsigned count;
	/* Some descriptors could not be received, because this process has as many as it may have,
	 * or because more were sent than there is room for: FDPASS_MAX, less on a socket with
	 * SO_PASSCRED. Then the others are closed, and `count` is 0. */
	bool lost;
};

/* Sends `length` octets, at least 1, and `count` descriptors with them; without any, `fds` may be
 * NULL. Does not wait. The descriptors stay the caller's; the receiver gets its own for the same
 * files. 0; -EAGAIN: the receiver's queue is full; -EINVAL: more than FDPASS_MAX; or another -errno
 * of sendmsg(2). */
int fdpass_send(int socket, const void *octets, size_t length, const int *fds, unsigned count);

/* Receives one message. Waits for it unless `flags` has MSG_DONTWAIT. The descriptors are
 * close-on-exec. Returns the number of octets; 0: the other end is closed; or -errno of recvmsg(2)
 * (-EAGAIN: there is no message now): then `ret` is empty. */
ssize_t fdpass_receive(int socket, void *ret_octets, size_t size, int flags, struct fdpass *ret);

#endif
