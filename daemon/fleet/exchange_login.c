#include "fleet/exchange_login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"

/* Opens a regular file only: opening a FIFO could block. */
static int open_file(const char *path, const char *option, char *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r == 0)
		return fd;
	snprintf(why, EXCHANGE_WHY, "%s: cannot read %s: %s", option, path, strerror(-r));
	if (fd >= 0)
		close(fd);
	return r;
}

int exchange_open_login(const struct config_fleet *c, uint32_t server, struct exchange_login *login,
			int *fds)
{
	const char *const paths[] = { c->tls_ca, c->tls_cert, c->tls_key };
	static const char *const options[] = { "fleet.tls_ca", "fleet.tls_cert", "fleet.tls_key" };
	int count = 0;
	int r = secret_read(c->password_file, "fleet.password_file", &login->password, login->why);

	if (r < 0)
		return r;
	fds[count] = endpoint_connect(&c->servers.each[server]);
	if (fds[count] < 0) {
		snprintf(login->why, sizeof(login->why), "%s", strerror(-fds[count]));
		return fds[count];
	}
	count++;
	for (unsigned i = 0; c->tls && i < ARRAY_SIZE(paths); i++) {
		if (!paths[i][0])
			continue;
		fds[count] = open_file(paths[i], options[i], login->why);
		if (fds[count] < 0)
			return fds[count];
		count++;
	}
	return count;
}
