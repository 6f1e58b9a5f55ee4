"""A proxy that the machine lets run seldom: each turn of its loop takes .2 s, so that its timer is always due, and each connection to the
server 1.5 s, in which it hears of nothing else."""
import os
import subprocess
import tempfile

SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int epoll_wait(int epoll, struct epoll_event *events, int most, int ms)
{
	int (*next)(int, struct epoll_event *, int, int) = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");

	usleep(200000); /* so late it is */
	return next(epoll, events, most, ms);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int (*next)(int, const struct sockaddr *, socklen_t) = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
	static int begun = -1;
	int r, error;

	if (fd == begun) { /* asked at once how it went: an event tells it, as for a server elsewhere */
		begun = -1;
		errno = EALREADY;
		return -1;
	}
	r = next(fd, address, length), error = errno;
	if (address->sa_family == AF_INET && r < 0 && error == EINPROGRESS) {
		begun = fd;
		usleep(1500000); /* and so long the server takes */
	}
	errno = error;
	return r;
}
"""


def prefix():
    """The command that a proxy runs under to be late."""
    library = os.path.join(tempfile.mkdtemp(prefix="penstock-test-"), "late.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], input=SOURCE, text=True, check=True)
    return ["env", "LD_PRELOAD=" + library]
