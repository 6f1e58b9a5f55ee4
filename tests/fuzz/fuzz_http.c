#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endpoint.h"
#include "publish/http_wire.h"

/* The whole of HTTP: libevent's parser, our handlers and what they print, over a socket. Both sides
 * of the channel are in this one process. */

static struct event_base *base;
static struct config config;
static struct status status;
static struct http_shared shared;
static struct answers *answers;

static const struct status *get_status(void *context)
{
	return &status;
}

static size_t get_history(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
			  struct history_record *ret, size_t most)
{
	return 0;
}

/* Of the registry, which needs every sensor. */
const char *sensor_state_name(enum sensor_state state)
{
	return "ok";
}

static void remove_socket(void)
{
	unlink(config.http_listen.each[0].address.un.sun_path);
}

static void on_begun(void *context, uint32_t missing_errno)
{
}

static void on_broken(void *context, const char *why)
{
	abort();
}

/* The child's side and penstockd's. */
static void open_both(const int *listeners, int count)
{
	static const struct control_ops ops = { .status = get_status, .history = get_history };
	static struct http_desk desk = { .kind = HTTP_OPERATORS, .ops = &ops };
	static const struct answers_events events = { .begun = on_begun, .broken = on_broken };
	struct http_process *process;
	int pair[2], fds[2 + LISTENERS_MAX];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	fds[0] = pair[1];
	fds[1] = -1;
	memcpy(fds + 2, listeners, (size_t)count * sizeof(int));
	answers = answers_open(base, pair[0], &http_answers, &desk, &events);
	if (!answers || http_process_open(base, &shared, fds, 2 + (unsigned)count, &process) < 0)
		abort();
}

static void open_once(void)
{
	const char *which;
	char text[96], bad[128];
	int listeners[LISTENERS_MAX], count;

	if (base)
		return;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	config_defaults(&config);
	snprintf(text, sizeof(text), "unix:/tmp/penstock-fuzz-%d.sock", (int)getpid());
	if (endpoints_parse(text, &config.http_listen, bad) < 0)
		abort();
	count = endpoints_listen(&config.http_listen, 64, 0600, listeners, &which);
	if (count < 0)
		abort();
	atexit(remove_socket);
	status.version = "fuzz";
	status.config = config;
	snprintf(shared.names, sizeof(shared.names), "x");
	open_both(listeners, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[1 << 18];
	static uint64_t now_us = US_PER_S;
	int fd;

	open_once();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(fd, &config.http_listen.each[0].address.any,
		    config.http_listen.each[0].length) < 0)
		abort();
	if (send(fd, data, size, MSG_NOSIGNAL) < 0 && size)
		abort();
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 16; i++) {
		ssize_t n;

		/* More questions than it answers are the subject of another test. */
		answers_step(answers, now_us += US_PER_S / 10);
		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(fd, answer, sizeof(answer), 0);
		if (n == 0)
			break;
		if (n >= 9 && memcmp(answer, "HTTP/", 5) != 0 && i == 0)
			abort();
	}
	close(fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}
