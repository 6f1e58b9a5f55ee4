#include "penstockctl/call.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define REPLY_LIMIT (8u << 20)

int call_open(const char *run_dir, struct call *ret_call)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct call call = { .fd = -1 };

	snprintf(call.path, sizeof(call.path), "%s/control.sock", run_dir);
	if (strlen(call.path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "penstockctl: the path %s is too long for a socket\n", call.path);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, call.path);
	call.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (call.fd < 0 || connect(call.fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		fprintf(stderr,
			"penstockctl: penstockd is not reachable on %s: %s\n"
			"  mail flows all the same; look at `systemctl status penstockd`, or give its --run-dir\n",
			call.path, strerror(-r));
		if (call.fd >= 0)
			close(call.fd);
		return r;
	}
	*ret_call = call;
	return 0;
}

void call_close(struct call *call)
{
	close(call->fd);
	free(call->buffer);
}

int call_send(struct call *call, const char *method, json_t *parameters, bool more)
{
	json_t *message = json_pack("{s:s, s:o}", "method", method, "parameters",
				    parameters ? parameters : json_object());
	char *text;
	size_t left, at = 0;
	int r = 0;

	if (message && more)
		json_object_set_new(message, "more", json_true());
	text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (!text)
		return -ENOMEM;
	left = strlen(text) + 1;
	while (left > 0 && r == 0) {
		ssize_t n = send(call->fd, text + at, left, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			r = -errno;
		if (n > 0) {
			at += (size_t)n;
			left -= (size_t)n;
		}
	}
	free(text);
	return r;
}

static int grow(struct call *call)
{
	size_t size = call->size ? call->size * 2 : 16384;
	char *buffer;

	if (call->size - call->length >= 4096)
		return 0;
	if (size > REPLY_LIMIT)
		return -EMSGSIZE;
	buffer = realloc(call->buffer, size);
	if (!buffer)
		return -ENOMEM;
	call->buffer = buffer;
	call->size = size;
	return 0;
}

/* Reads until a NUL is in the buffer. */
static int fill(struct call *call, int timeout_ms)
{
	uint64_t until_us = clock_monotonic_us() + (uint64_t)timeout_ms * US_PER_MS;

	if (call->taken) {
		call->length -= call->taken;
		memmove(call->buffer, call->buffer + call->taken, call->length);
		call->taken = 0;
	}
	while (!call->length || !memchr(call->buffer, 0, call->length)) {
		struct pollfd poll_fd = { .fd = call->fd, .events = POLLIN };
		uint64_t now_us = clock_monotonic_us();
		int wait = timeout_ms < 0	? -1
			   : now_us >= until_us ? 0
						: (int)((until_us - now_us) / US_PER_MS) + 1;
		int r = poll(&poll_fd, 1, wait);
		ssize_t n;

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -ETIMEDOUT;
		r = grow(call);
		if (r < 0)
			return r;
		n = read(call->fd, call->buffer + call->length, call->size - call->length);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			call->length += (size_t)n;
	}
	return 0;
}

int call_receive(struct call *call, int timeout_ms, json_t **ret_message, const char **ret_error,
		 json_t **ret_parameters)
{
	json_t *message;
	int r = fill(call, timeout_ms);

	if (r < 0)
		return r;
	message = json_loads(call->buffer, 0, NULL);
	call->taken = strlen(call->buffer) + 1;
	if (!json_is_object(message)) {
		json_decref(message);
		return -EBADMSG;
	}
	*ret_message = message;
	*ret_error = json_string_value(json_object_get(message, "error"));
	*ret_parameters = json_object_get(message, "parameters");
	return 0;
}
