#include "base/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/fdstore.h"
#include "base/parse.h"

static int parse_inet(const char *text, struct endpoint *e)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (struct sockaddr_in *)&e->address.storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&e->address.storage;
	char host[64];
	uint64_t port;
	size_t length;

	if (!colon || parse_u64(colon + 1, &port) < 0 || port == 0 || port > 65535)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (length >= 2 && text[0] == '[' && colon[-1] == ']') {
		text++;
		length -= 2;
	}
	if (length == 0 || length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = 0;
	e->kind = ENDPOINT_INET;
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		e->length = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		e->length = sizeof(*v6);
		return 0;
	}
	return -EINVAL;
}

int endpoint_parse(const char *text, struct endpoint *ret)
{
	struct endpoint e = { 0 };
	int r = 0;

	if ((size_t)snprintf(e.text, sizeof(e.text), "%s", text) >= sizeof(e.text))
		return -EINVAL;
	if (strncmp(text, "unix:", 5) == 0) {
		size_t n = strlen(text + 5);

		if (text[5] != '/' || n >= sizeof(e.address.un.sun_path))
			return -EINVAL;
		e.kind = ENDPOINT_UNIX;
		e.address.un.sun_family = AF_UNIX;
		memcpy(e.address.un.sun_path, text + 5, n + 1);
		e.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	} else if (strncmp(text, "systemd:", 8) == 0) {
		if (!text[8])
			return -EINVAL;
		e.kind = ENDPOINT_SYSTEMD;
	} else {
		r = parse_inet(text, &e);
	}
	if (r == 0)
		*ret = e;
	return r;
}

/* A socket file without a listening process is a leftover. */
static bool is_stale(const struct endpoint *e)
{
	/* Do not wait for a process that hangs with a full accept queue. */
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	if (lstat(e->address.un.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	return fd >= 0 && connect(fd, &e->address.any, e->length) < 0 && errno == ECONNREFUSED;
}

static int take_systemd(const char *name, unsigned index)
{
	int fd = fdstore_copy(name, index);

	/* The flag also changes for the manager, which holds the same open socket; that does no
	 * harm there. */
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return fd;
}

int endpoint_listen(const struct endpoint *endpoint, int backlog, unsigned mode)
{
	_cleanup_close_ int fd = -1;
	int on = 1;

	if (endpoint->kind == ENDPOINT_SYSTEMD)
		return take_systemd(endpoint->text + 8, 0);
	if (endpoint->kind == ENDPOINT_NONE)
		return -EINVAL;
	fd = socket(endpoint->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (endpoint->kind == ENDPOINT_INET) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (endpoint->address.any.sa_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	} else if (is_stale(endpoint)) {
		unlink(endpoint->address.un.sun_path);
	}
	if (bind(fd, &endpoint->address.any, endpoint->length) < 0)
		return -errno;
	if (endpoint->kind == ENDPOINT_UNIX)
		chmod(endpoint->address.un.sun_path, mode);
	if (listen(fd, backlog) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int endpoints_parse(const char *text, struct endpoints *ret, char *ret_bad)
{
	struct endpoints list = { 0 };
	char copy[sizeof(list.text)], *save = NULL;
	size_t used = 0;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return -E2BIG;
	for (char *word = strtok_r(copy, ", \t", &save); word;
	     word = strtok_r(NULL, ", \t", &save)) {
		if (strcmp(word, "none") == 0)
			continue;
		if (list.count == ENDPOINTS_MAX)
			return -E2BIG;
		if (endpoint_parse(word, &list.each[list.count]) < 0) {
			snprintf(ret_bad, 128, "%s", word);
			return -EINVAL;
		}
		/* It always fits, because every word comes from `text`; only ", " replaces ",". */
		used += (size_t)snprintf(list.text + used, sizeof(list.text) - used, "%s%s",
					 list.count++ ? ", " : "", word);
		if (used >= sizeof(list.text))
			return -E2BIG;
	}
	*ret = list;
	return 0;
}

/* Appends the descriptors of one endpoint. */
static int listen_each(const struct endpoint *e, int backlog, unsigned mode, int *fds, int count)
{
	unsigned index = 0;
	int fd;

	do {
		fd = e->kind == ENDPOINT_SYSTEMD ? take_systemd(e->text + 8, index)
						 : endpoint_listen(e, backlog, mode);
		if (fd == -ENOENT && index)
			break;
		if (fd < 0)
			return fd;
		if (count == LISTENERS_MAX) {
			close(fd);
			return -E2BIG;
		}
		fds[count++] = fd;
		index++;
	} while (e->kind == ENDPOINT_SYSTEMD);
	return count;
}

int endpoints_listen(const struct endpoints *endpoints, int backlog, unsigned mode, int *ret_fds,
		     const char **ret_which)
{
	int fds[LISTENERS_MAX], count = 0, r;

	memset(fds, -1, sizeof(fds));
	for (unsigned i = 0; i < endpoints->count; i++) {
		r = listen_each(&endpoints->each[i], backlog, mode, fds, count);
		if (r >= 0) {
			count = r;
			continue;
		}
		*ret_which = endpoints->each[i].text;
		for (int n = 0; n < LISTENERS_MAX; n++)
			if (fds[n] >= 0)
				close(fds[n]);
		return r;
	}
	memcpy(ret_fds, fds, sizeof(fds));
	return count ? count : -EINVAL;
}

/* False: it has none. */
static bool address_of(const struct endpoint *e, struct in6_addr *ret_address, uint16_t *ret_port)
{
	if (e->kind != ENDPOINT_INET)
		return false;
	address_of_socket(&e->address.storage, ret_address, ret_port);
	return true;
}

unsigned short endpoint_port(const struct endpoint *endpoint)
{
	struct in6_addr address;
	uint16_t port = 0;

	address_of(endpoint, &address, &port);
	return port;
}

bool endpoint_is_loopback(const struct endpoint *endpoint)
{
	struct in6_addr address;
	uint16_t port;

	return address_of(endpoint, &address, &port) && address_is_loopback(&address);
}

static bool takes_all(const struct endpoint *e)
{
	static const struct in6_addr v6 = IN6ADDR_ANY_INIT;
	struct in6_addr address, v4;
	uint16_t port;

	address_map_v4(&v6, &v4); /* four zeros */
	return address_of(e, &address, &port) &&
	       (IN6_ARE_ADDR_EQUAL(&address, &v6) || IN6_ARE_ADDR_EQUAL(&address, &v4));
}

bool endpoint_leads_to(const struct endpoint *to, const struct endpoint *listener)
{
	if (strcmp(to->text, listener->text) == 0)
		return true;
	return takes_all(listener) && (endpoint_is_loopback(to) || takes_all(to)) &&
	       to->address.any.sa_family == listener->address.any.sa_family &&
	       endpoint_port(to) == endpoint_port(listener);
}

int endpoint_connected(const struct endpoint *endpoint, int fd)
{
	/* A connect() to a UNIX socket is done at once. A second one would fail with EAGAIN, and
	 * not with EISCONN, if the first one has filled the accept queue. */
	if (endpoint->kind == ENDPOINT_UNIX)
		return 0;
	if (connect(fd, &endpoint->address.any, endpoint->length) == 0 || errno == EISCONN)
		return 0;
	return errno == EALREADY ? -EINPROGRESS : -errno;
}

int endpoint_connect(const struct endpoint *endpoint)
{
	_cleanup_close_ int fd = -1;

	if (endpoint->kind != ENDPOINT_INET && endpoint->kind != ENDPOINT_UNIX)
		return -EINVAL;
	fd = socket(endpoint->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, &endpoint->address.any, endpoint->length) < 0 && errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}
