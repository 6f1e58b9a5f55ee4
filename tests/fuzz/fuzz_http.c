#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "publish/control.h"

/* The whole of the HTTP listener: libevent's parser, our handlers and what they print, over a socket. */

static struct event_base *base;
static struct config config;
static struct status status;

static const struct status *get_status(void *context)
{
	return &status;
}

/* Of the registry, which needs every sensor. */
const char *sensor_state_name(enum sensor_state state)
{
	return "ok";
}

static void remove_socket(void)
{
	unlink(config.http_listen.address.un.sun_path);
}

static void open_once(void)
{
	static const struct control_ops ops = { .status = get_status };
	struct http *http;
	char why[256], text[96];

	if (base)
		return;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	config_defaults(&config);
	snprintf(text, sizeof(text), "unix:/tmp/penstock-fuzz-%d.sock", (int)getpid());
	if (endpoint_parse(text, &config.http_listen) < 0)
		abort();
	status.version = "fuzz";
	status.config = &config;
	if (http_open(base, &config, &ops, NULL, &http, why) < 0)
		abort();
	atexit(remove_socket);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char answer[1 << 18];
	int fd;

	open_once();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(fd, &config.http_listen.address.any, config.http_listen.length) < 0)
		abort();
	if (send(fd, data, size, MSG_NOSIGNAL) < 0 && size)
		abort();
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 8; i++) {
		ssize_t n;

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
