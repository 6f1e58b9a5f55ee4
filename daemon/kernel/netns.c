#include "kernel/netns.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/readfile.h"

#define OWN "/proc/self/ns/net"

/* Opens a namespace by the name of a container, under which container managers store the namespace
 * or a process id. */
static int open_by_name(const char *name)
{
	static const char *const places[] = { "/run/netns", "/var/run/netns", "/run/docker/netns" };
	char path[320], content[4096];
	const char *leader;
	int fd;

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s/%.200s", places[i], name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			return fd >= 0 ? fd : -errno;
	}
	/* systemd-machined: a file with LEADER=PID. */
	snprintf(path, sizeof(path), "/run/systemd/machines/%.200s", name);
	if (readfile_at(AT_FDCWD, path, content, sizeof(content)) <= 0)
		return -ENOENT;
	leader = strstr(content, "\nLEADER=");
	if (!leader)
		return -ENOENT;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", atoi(leader + 8));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int netns_open(const char *name, char *why)
{
	char path[320];
	int fd;

	if (name[0] && name[0] != '/' && name[strspn(name, "0123456789")]) {
		fd = open_by_name(name);
	} else {
		if (name[0] == 0)
			snprintf(path, sizeof(path), OWN);
		else if (name[0] == '/')
			snprintf(path, sizeof(path), "%.300s", name);
		else
			snprintf(path, sizeof(path), "/proc/%.20s/ns/net", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		fd = fd >= 0 ? fd : -errno;
	}
	if (fd < 0)
		snprintf(why, 256, "the network namespace '%.100s' cannot be opened: %s%s", name,
			 strerror(-fd),
			 fd == -EACCES || fd == -EPERM
				 ? " (a foreign /proc/PID/ns needs CAP_SYS_PTRACE)"
				 : "");
	return fd;
}

uint32_t netns_inum(int netns_fd)
{
	struct stat st;

	return fstat(netns_fd, &st) == 0 ? (uint32_t)st.st_ino : 0;
}

int netns_is_own(int netns_fd)
{
	struct stat st;

	return stat(OWN, &st) == 0 && (uint32_t)st.st_ino == netns_inum(netns_fd);
}

struct visit {
	int fd, result;
	int (*function)(void *context);
	void *context;
};

static void *inside(void *context)
{
	struct visit *v = context;

	v->result = setns(v->fd, CLONE_NEWNET) < 0 ? -errno : v->function(v->context);
	return NULL;
}

int netns_run(int netns_fd, int (*function)(void *context), void *context)
{
	struct visit v = { .fd = netns_fd, .function = function, .context = context };
	pthread_t thread;
	int r;

	if (netns_fd < 0 || netns_is_own(netns_fd))
		return function(context);
	r = pthread_create(&thread, NULL, inside, &v);
	if (r)
		return -r;
	pthread_join(thread, NULL);
	return v.result;
}
