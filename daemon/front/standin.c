#include "front/standin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/privilege.h"

/* Below the two seconds of the plan's heartbeat: a client waits for this time and until the next
 * look. */
#define HANG_US (US_PER_S * 12 / 10)
#define LOOK_MS 200
#define ORPHAN_US (3 * US_PER_S)
#define DRAIN_US (3 * US_PER_S)
#define CLIENTS 512
#define CHECK_US US_PER_S
#define LEAVE_US (US_PER_S / 2) /* time in which the process has to end */

struct standin {
	struct standin_options options;
	uint64_t *beat_us; /* shared with the process */
	int life_fd; /* its other end says EOF when the daemon is gone */
	pid_t pid;
	uint64_t checked_us;
	bool start_failed; /* at the last attempt; it was logged */
};

/* ---- in the process: it calls no library function that might need a lock held at the fork ---- */

struct client {
	int fd;
	uint64_t since_us;
};

struct stage {
	const struct standin_options *options;
	struct client client[CLIENTS];
	unsigned count;
};

static void take(struct stage *s, int listener, uint64_t now_us)
{
	size_t length = strlen(s->options->greeting);

	while (listener >= 0 && s->count < CLIENTS) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		if (length && send(fd, s->options->greeting, length, MSG_NOSIGNAL) < 0) {
			close(fd);
			continue;
		}
		shutdown(fd, SHUT_WR);
		s->client[s->count++] = (struct client){ .fd = fd, .since_us = now_us };
	}
}

/* If a socket is closed with unread bytes, the kernel resets the connection before the client has
 * read its line. */
static void drain(struct stage *s, uint64_t now_us)
{
	char scrap[512];
	ssize_t n;

	for (unsigned i = 0; i < s->count;) {
		struct client *c = &s->client[i];

		do {
			n = recv(c->fd, scrap, sizeof(scrap), 0);
		} while (n > 0);
		if (n < 0 && errno == EAGAIN && now_us < c->since_us + DRAIN_US) {
			i++;
			continue;
		}
		close(c->fd);
		*c = s->client[--s->count];
	}
}

static void keep_only(int a, int b, int c)
{
	const int kept[] = { a, b, c };
	int next = 3;

	/* Sorted; every descriptor between them is closed. */
	for (;;) {
		int least = -1;

		for (unsigned i = 0; i < 3; i++)
			if (kept[i] >= next && (least < 0 || kept[i] < least))
				least = kept[i];
		if (least < 0)
			break;
		for (int fd = next; fd < least; fd++)
			close(fd);
		next = least + 1;
	}
	if (syscall(SYS_close_range, (unsigned)next, ~0u, 0) < 0)
		for (int fd = next; fd < 65536; fd++)
			close(fd);
}

static void perform(const struct standin_options *o, const uint64_t *beat_us, int life_fd)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct pollfd life = { .fd = life_fd, .events = POLLIN };
	struct stage stage = { .options = o };
	uint64_t orphan_us = 0;
	sigset_t none;

	for (unsigned i = 0; i < 2; i++)
		signal(numbers[i], SIG_DFL);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "penstock-standin");
	keep_only(life_fd, o->listener_v4, o->listener_v6);
	privilege_drop(); /* its work needs no capability */
	for (;;) {
		uint64_t now_us, beat;

		/* Once orphaned, the pipe is always readable: from then on only the clock
		 * counts. */
		poll(&life, orphan_us ? 0 : 1, orphan_us || stage.count ? 20 : LOOK_MS);
		now_us = clock_monotonic_us();
		if (!orphan_us && life.revents)
			orphan_us = now_us;
		beat = __atomic_load_n(beat_us, __ATOMIC_RELAXED);
		if (orphan_us || now_us > beat + HANG_US) {
			take(&stage, o->listener_v4, now_us);
			take(&stage, o->listener_v6, now_us);
		}
		drain(&stage, now_us);
		if (orphan_us && now_us > orphan_us + ORPHAN_US)
			_exit(0);
	}
}

/* ---- in the daemon -------------------------------------------------------------------------- */

static int start(struct standin *s)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	*s->beat_us = clock_monotonic_us();
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[1]);
		perform(&s->options, s->beat_us, pipe_fds[0]);
		_exit(0);
	}
	close(pipe_fds[0]);
	if (pid < 0) {
		close(pipe_fds[1]);
		return -EAGAIN;
	}
	s->life_fd = pipe_fds[1];
	s->pid = pid;
	return 0;
}

int standin_open(const struct standin_options *options, struct standin **ret_standin)
{
	struct standin *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->life_fd = -1;
	s->beat_us = mmap(NULL, sizeof(*s->beat_us), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->beat_us != MAP_FAILED)
		r = start(s);
	else
		s->beat_us = NULL;
	if (r < 0) {
		standin_close(s);
		return r;
	}
	*ret_standin = s;
	return 0;
}

/* Whether the process has ended in time. The kernel may hold a process that was killed (state D of
 * ps(1), or a frozen control group). */
static bool is_gone(pid_t pid)
{
	uint64_t until_us = clock_monotonic_us() + LEAVE_US;

	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (clock_monotonic_us() > until_us)
			return false;
		usleep(1000);
	}
	return true;
}

void standin_close(struct standin *s)
{
	if (!s)
		return;
	if (s->pid > 0) {
		kill(s->pid, SIGKILL); /* it may be stopped */
		if (!is_gone(s->pid))
			log_warning(
				"Cannot end the stand-in of the gate's responder, process %d: the kernel holds it. It keeps its listening sockets until the kernel ends it; mail is not affected.",
				(int)s->pid);
	}
	if (s->life_fd >= 0)
		close(s->life_fd);
	if (s->beat_us)
		munmap(s->beat_us, sizeof(*s->beat_us));
	free(s);
}

void standin_beat(struct standin *s, uint64_t now_us)
{
	int r;

	__atomic_store_n(s->beat_us, now_us, __ATOMIC_RELAXED);
	if (now_us - s->checked_us < CHECK_US)
		return;
	s->checked_us = now_us;
	if (s->pid > 0 && waitpid(s->pid, NULL, WNOHANG) == 0)
		return;
	if (s->pid > 0)
		log_warning(
			"The stand-in of the gate's responder was killed. It is started again.");
	if (s->life_fd >= 0)
		close(s->life_fd);
	s->life_fd = -1;
	s->pid = 0;
	r = start(s);
	if (r < 0 && !s->start_failed)
		log_warning(
			"Cannot start the stand-in of the gate's responder again: %s. Clients that come while penstockd hangs wait longer. It is tried again each second.",
			strerror(-r));
	else if (r == 0 && s->start_failed)
		log_notice("The stand-in of the gate's responder runs again.");
	s->start_failed = r < 0;
}
