#include "base/manager.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

static const char *place(void)
{
	return getenv("NOTIFY_SOCKET");
}

bool manager_is_there(void)
{
	return place() != NULL;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	_cleanup_close_ int fd = -1;

	if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = 0; /* an abstract address */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int manager_tell(const char *state, const int *fds, unsigned count, int patience_ms)
{
	uint64_t now_us = clock_monotonic_us();
	uint64_t until_us = now_us + (uint64_t)patience_ms * US_PER_MS;
	_cleanup_close_ int fd = -1;
	int r;

	if (!manager_is_there())
		return -ENOTCONN;
	fd = connect_to(place());
	if (fd < 0)
		return fd;
	while ((r = fdpass_send(fd, state, strlen(state), fds, count)) == -EAGAIN &&
	       now_us < until_us) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };

		poll(&room, 1, (int)((until_us - now_us + US_PER_MS - 1) / US_PER_MS));
		now_us = clock_monotonic_us();
	}
	return r;
}
