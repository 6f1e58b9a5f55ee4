#include "proxy/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdstore.h"
#include "base/log.h"

/* The name of socket number `i` in the service manager's descriptor store. */
static const char *kept_name(int i, char *ret)
{
	if (i == 0)
		snprintf(ret, 32, "proxy-listener");
	else
		snprintf(ret, 32, "proxy-listener-%d", i);
	return ret;
}

/* Whether `fd` listens at the configured address, which may have changed since the socket was
 * stored. */
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

/* Takes the stored sockets, by number; -1: none. */
static void take_kept(int *kept)
{
	char name[32];

	for (int i = 0; i < ENDPOINTS_MAX; i++) {
		kept[i] = fdstore_take(kept_name(i, name));
		if (kept[i] >= 0)
			fcntl(kept[i], F_SETFL, fcntl(kept[i], F_GETFL) | O_NONBLOCK);
	}
}

static int kept_at(const int *kept, const struct endpoint *at)
{
	for (int i = 0; i < ENDPOINTS_MAX; i++)
		if (kept[i] >= 0 && listens_at(kept[i], at))
			return i;
	return -1;
}

/* Takes a free number, under which a new socket is stored; -1: there is none. */
static int free_number(bool *used)
{
	for (int i = 0; i < ENDPOINTS_MAX; i++) {
		if (used[i])
			continue;
		used[i] = true;
		return i;
	}
	return -1;
}

/* Stores the sockets that the manager has not taken yet. Whether it has all of them now. */
static bool store(struct listeners *l)
{
	char name[32];

	for (int i = 0; i < l->count; i++) {
		if (l->store_as[i] < 0)
			continue;
		if (fdstore_push(kept_name(l->store_as[i], name), l->fds[i]) < 0)
			return false;
		l->store_as[i] = -1;
	}
	return true;
}

void handover_keep(struct listeners *l)
{
	for (unsigned tries = 0; l->are_kept && tries < FDSTORE_LAST_TRIES && !store(l); tries++)
		;
	for (int i = 0; i < l->count; i++)
		l->are_kept &= l->store_as[i] < 0;
}

static void forget_unused(int *kept, const bool *used)
{
	char name[32];

	for (int i = 0; i < ENDPOINTS_MAX; i++) {
		if (kept[i] < 0 || used[i])
			continue;
		close(kept[i]);
		kept[i] = -1;
		fdstore_remove(kept_name(i, name));
	}
}

int handover_listen(struct listeners *l, const struct endpoints *wanted, int backlog,
		    const char **ret_which)
{
	int kept[ENDPOINTS_MAX], fds[LISTENERS_MAX], place[ENDPOINTS_MAX];
	bool used[ENDPOINTS_MAX] = { false };

	l->are_kept = true;
	take_kept(kept);
	for (unsigned i = 0; i < wanted->count; i++) {
		place[i] = kept_at(kept, &wanted->each[i]);
		if (place[i] >= 0)
			used[place[i]] = true;
	}
	/* First, because an old socket on 0.0.0.0:25 would block a new one on 192.0.2.1:25. */
	forget_unused(kept, used);
	for (unsigned i = 0; i < wanted->count; i++) {
		struct endpoints one = { .count = 1, .each = { wanted->each[i] } };
		int n;

		if (place[i] >= 0) {
			fds[0] = kept[place[i]];
			n = 1;
		} else {
			n = endpoints_listen(&one, backlog, 0666, fds, ret_which);
		}
		*ret_which = wanted->each[i].text;
		if (n < 0)
			return n;
		if (l->count + n > LISTENERS_MAX)
			return -E2BIG;
		for (int j = 0; j < n; j++) {
			l->fds[l->count] = fds[j];
			l->store_as[l->count++] = -1;
		}
		if (place[i] >= 0 || one.each[0].kind == ENDPOINT_SYSTEMD)
			continue;
		l->store_as[l->count - 1] =
			one.each[0].kind == ENDPOINT_INET ? free_number(used) : -1;
		l->are_kept &= l->store_as[l->count - 1] >= 0;
	}
	store(l);
	return 0;
}

void handover_forget(void)
{
	char name[32];

	for (int i = 0; i < ENDPOINTS_MAX; i++)
		fdstore_remove(kept_name(i, name));
}

bool handover_sessions(const struct listeners *l, struct tally *t)
{
	int passed = sd_listen_fds(0);
	pid_t child;

	if (!l->are_kept || !t->session_count)
		return false;
	log_notice("stopping: %u sessions go on to their end in a process of their own",
		   t->session_count);
	log_close(); /* the fork does not copy its thread */
	child = fork();
	if (child > 0)
		_exit(EXIT_SUCCESS);
	log_open("penstock-proxy", t->config.log_level);
	if (child < 0) {
		log_warning(
			"Cannot start a process for these sessions: %s. This one finishes them before it stops.",
			strerror(errno));
		return false;
	}
	/* Close the listening socket: clients would connect to it, and no process would accept
	 * them once the manager has closed its copy. */
	for (int i = 0; i < passed; i++)
		close(SD_LISTEN_FDS_START + i);
	/* The manager takes messages from the main process only, and that is the successor now. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	prctl(PR_SET_NAME, "penstock-leave");
	if (event_reinit(t->base) < 0) {
		log_error(
			"Cannot go on in the process that finishes the sessions: its event loop fails. %u sessions are cut off.",
			t->session_count);
		event_base_loopbreak(t->base);
	}
	return true;
}
