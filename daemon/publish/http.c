/* penstockd's part of HTTP: it opens the sockets, and a process without privilege
 * (http_process.c) accepts, parses and answers on them. When that process crashes or hangs it is
 * started again. No tick and no mail waits for it, and the sockets stay open meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "publish/http.h"
#include "publish/http_wire.h"
#include "publish/teller.h"

#define BACKLOG 64

/* The option of each kind. */
static const char *const options[] = { [HTTP_OPERATORS] = "listen", [HTTP_CUSTOMERS] = "public" };

static const struct teller_kind kinds[] = {
	[HTTP_OPERATORS] = { .process = TELLER("penstockd-http", HTTP_ARGUMENT, "HTTP"),
			     .answers = &http_answers },
	[HTTP_CUSTOMERS] = { .process = TELLER("penstockd-page", HTTP_ARGUMENT, "customers"),
			     .answers = &http_answers },
};

struct http {
	struct http_desk desk;
	struct teller *teller;
	int fds[LISTENERS_MAX];
	int count;
	int shared_fd;
	struct http_shared *shared;
};

/* This host's own names: no other person's DNS zone can make one of them point here. */
static void find_names(struct http_shared *shared, const struct config *config)
{
	struct text names = { .data = shared->names, .size = sizeof(shared->names) };
	char own[256] = "";

	gethostname(own, sizeof(own) - 1);
	text_append(&names, "%s %s", config->http_hosts, own);
	for (unsigned i = 0; i < config->services; i++)
		text_append(&names, " %s", config->service[i].reply.hostname);
}

static int start(struct http *h, struct event_base *base, uint64_t now_us)
{
	int fds[1 + LISTENERS_MAX] = { h->shared_fd };

	memcpy(fds + 1, h->fds, (size_t)h->count * sizeof(*h->fds));
	return teller_open(base, &kinds[h->desk.kind], &h->desk, fds, 1 + (unsigned)h->count,
			   now_us, &h->teller);
}

/* Makes the shared memory, which the process can read and not change. */
static int open_shared(struct http *h, const struct config *config, uint64_t now_us)
{
	h->shared_fd = memfd_create("penstockd-http", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (h->shared_fd < 0 || ftruncate(h->shared_fd, sizeof(*h->shared)) < 0)
		return -errno;
	h->shared =
		mmap(NULL, sizeof(*h->shared), PROT_READ | PROT_WRITE, MAP_SHARED, h->shared_fd, 0);
	if (h->shared == MAP_FAILED) {
		h->shared = NULL;
		return -errno;
	}
	/* The seal against truncation must work, because we write there. The other seal needs Linux
	 * 5.1. */
	if (fcntl(h->shared_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	fcntl(h->shared_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
	find_names(h->shared, config);
	h->shared->beat_us = now_us;
	h->shared->kind = h->desk.kind;
	return 0;
}

static int open_sockets(struct http *h, const struct config *config, char *why)
{
	const struct endpoints *listen =
		h->desk.kind == HTTP_CUSTOMERS ? &config->http_public : &config->http_listen;
	const char *which = "";
	int count = endpoints_listen(listen, BACKLOG, 0660, h->fds, &which);

	if (count >= 0) {
		h->count = count;
		return 0;
	}
	snprintf(why, 160, "cannot listen on http.%s = %.64s: %s%s", options[h->desk.kind], which,
		 strerror(-count),
		 count == -EADDRINUSE ? ": another program has this address; choose another one"
				      : "");
	return count;
}

int http_open(struct event_base *base, const struct config *config, enum http_kind kind,
	      const struct control_ops *ops, void *context, struct http **ret_http, char *why)
{
	uint64_t now_us = clock_monotonic_us();
	struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->desk = (struct http_desk){ .kind = kind, .ops = ops, .context = context };
	h->shared_fd = -1;
	r = open_sockets(h, config, why);
	if (r == 0)
		r = open_shared(h, config, now_us);
	if (r == 0)
		r = start(h, base, now_us);
	if (r < 0) {
		if (!why[0])
			snprintf(why, 160, "cannot start the process that %s: %s",
				 kinds[kind].process.does, strerror(-r));
		http_close(h);
		return r;
	}
	*ret_http = h;
	return 0;
}

void http_step(struct http *h, const struct engine_view *view, uint64_t now_us)
{
	__atomic_store_n(&h->shared->state, (uint32_t)view->state, __ATOMIC_RELAXED);
	__atomic_store_n(&h->shared->beat_us, now_us, __ATOMIC_RELAXED);
	__atomic_fetch_add(&h->shared->tick, 1, __ATOMIC_RELAXED);
	teller_step(h->teller, now_us);
}

void http_configure(struct http *h, const struct config *config)
{
	find_names(h->shared, config);
}

bool http_is_up(const struct http *h)
{
	return teller_is_up(h->teller);
}

uint64_t http_restarts(const struct http *h)
{
	return teller_restarts(h->teller);
}

void http_close(struct http *h)
{
	if (!h)
		return;
	teller_close(h->teller);
	for (int i = 0; i < h->count; i++)
		close(h->fds[i]);
	if (h->shared)
		munmap(h->shared, sizeof(*h->shared));
	if (h->shared_fd >= 0)
		close(h->shared_fd);
	free(h);
}
