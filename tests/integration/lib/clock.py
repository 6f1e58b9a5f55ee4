"""A wall clock of our own for one program."""
import os
import struct
import subprocess
import tempfile
import time

from lib.place import wait_for

# What a program asks of CLOCK_REALTIME, moved by as many seconds as a file says. Unlike with libfaketime, a wait by CLOCK_MONOTONIC stays one.
SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *moved;

__attribute__((constructor)) static void look(void)
{
	int fd = open(getenv("PENSTOCK_TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, sizeof(*moved), PROT_READ, MAP_SHARED, fd, 0);

	moved = fd < 0 || map == MAP_FAILED ? NULL : map;
	close(fd);
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, id, ret);

	if (r == 0 && moved && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ret->tv_sec += *moved;
	return r;
}

time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	ret->tv_sec = now.tv_sec;
	ret->tv_usec = now.tv_nsec / 1000;
	return 0;
}
"""


class FakeClock:
    """CLOCK_REALTIME of one program under our hand; CLOCK_MONOTONIC stays the kernel's."""

    def __init__(self, seconds=0):
        directory = tempfile.mkdtemp(prefix="penstock-test-")
        os.chmod(directory, 0o755)
        self.file, library = os.path.join(directory, "moved"), os.path.join(directory, "clock.so")
        self.jump(seconds)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], input=SOURCE, text=True, check=True)
        self.env = {**os.environ, "LD_PRELOAD": library, "PENSTOCK_TEST_CLOCK": self.file}

    def jump(self, seconds):
        """That far from the true time, from now on."""
        self.seconds = seconds
        with open(self.file, "r+b" if os.path.exists(self.file) else "wb", buffering=0) as f:
            f.write(struct.pack("q", seconds))

    def followed(self, daemon):
        """Waits until penstockd has seen the jump."""
        wait_for(lambda: abs(now_at(daemon) - time.time() - self.seconds) < 3600, f"the daemon's clock {self.seconds} s away")


def at(text):
    """Seconds of the epoch of a time as penstock writes it."""
    return time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


def now_at(daemon):
    return at(daemon.status()["at"])
