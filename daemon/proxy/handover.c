#include "proxy/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdstore.h"
#include "base/log.h"

#define NAME "proxy-listener"

/* Whether `fd` listens where the configuration says. It may have changed since it was kept. */
static bool listens_at(int fd, const struct endpoint *endpoint)
{
	struct sockaddr_storage at = { 0 };
	socklen_t length = sizeof(at);
	int listens = 0;
	socklen_t size = sizeof(listens);

	return endpoint->kind == ENDPOINT_INET &&
	       getsockname(fd, (struct sockaddr *)&at, &length) == 0 &&
	       length == endpoint->length && memcmp(&at, &endpoint->address, length) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

int handover_listen(struct proxy *p, int backlog)
{
	const struct endpoint *listen_at = &p->config.proxy.listen;
	_cleanup_close_ int fd = fdstore_take(NAME);

	if (fd >= 0 && listens_at(fd, listen_at)) {
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		p->listener_is_kept = true;
		return TAKE_FD(fd);
	}
	if (fd >= 0) {
		close(fd);
		handover_forget();
	}
	fd = endpoint_listen(listen_at, backlog, 0666);
	if (fd >= 0)
		p->listener_is_kept =
			listen_at->kind == ENDPOINT_SYSTEMD ||
			(listen_at->kind == ENDPOINT_INET && fdstore_push(NAME, fd) == 0);
	return TAKE_FD(fd);
}

void handover_forget(void)
{
	fdstore_remove(NAME);
}

bool handover_sessions(struct proxy *p)
{
	int passed = sd_listen_fds(0);
	pid_t child;

	if (!p->listener_is_kept || !p->session_count)
		return false;
	log_notice("stopping: %u sessions go on to their end in a process of their own",
		   p->session_count);
	log_close(); /* its thread does not come along */
	child = fork();
	if (child > 0)
		_exit(EXIT_SUCCESS);
	log_open("penstock-proxy", p->config.log_level);
	if (child < 0) {
		log_warning("no process for them: %s; this one finishes them before it stops",
			    strerror(errno));
		return false;
	}
	/* A listening socket that nobody accepts on would be a trap, once the manager has closed its own. */
	for (int i = 0; i < passed; i++)
		close(SD_LISTEN_FDS_START + i);
	/* What the manager hears comes from the main process, which is the successor by now. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	prctl(PR_SET_NAME, "penstock-leave");
	if (event_reinit(p->base) < 0) {
		log_error("the event loop does not come along: %u sessions are cut off",
			  p->session_count);
		event_base_loopbreak(p->base);
	}
	return true;
}
