/* penstockd's part of HTTP: it opens the sockets, and a process without privilege
 * (http_process.c) accepts, parses and answers on them. When that process crashes or hangs it is
 * started again. No tick and no mail waits for it, and the sockets stay open meanwhile. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/text.h"
#include "publish/http.h"
#include "publish/http_wire.h"

#define BACKLOG 64

/* In the list of processes, in the configuration and in the log. */
static const struct {
	const char *process, *option, *what;
} kinds[] = {
	[HTTP_OPERATORS] = { "penstockd-http", "listen", "HTTP" },
	[HTTP_CUSTOMERS] = { "penstockd-page", "public", "customers" },
};

struct http {
	struct event_base *base;
	enum http_kind kind;
	const struct control_ops *ops;
	void *context;
	int fds[LISTENERS_MAX];
	int count;
	int shared_fd;
	struct http_shared *shared;
	struct helper helper;
	struct http_answers *answers; /* NULL: no process */
	bool broken; /* the channel to it */
	bool begun; /* it is ready */
	bool told; /* that it runs without a filter of system calls */
	char why[64]; /* of its end */
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

static void on_begun(void *context, uint32_t missing_errno)
{
	struct http *h = context;

	if (missing_errno && !h->told)
		log_notice(
			"The process that answers %s has no capability, and no filter of system calls: %s. This kernel or architecture has none.",
			kinds[h->kind].what, strerror((int)missing_errno));
	h->told = h->begun = true;
}

/* Not closed here: it is in the middle of something. http_step() does it. */
static void on_broken(void *context, const char *why)
{
	struct http *h = context;

	/* That it was killed for the first reason is none. */
	if (!h->broken)
		snprintf(h->why, sizeof(h->why), "%s", why);
	h->broken = true;
}

static int start(struct http *h, uint64_t now_us)
{
	const struct http_answers_events events = { .begun = on_begun,
						    .broken = on_broken,
						    .context = h };
	int fds[HELPER_FDS], pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	fds[0] = pair[1];
	fds[1] = h->shared_fd;
	memcpy(fds + 2, h->fds, (size_t)h->count * sizeof(*h->fds));
	r = helper_start(&h->helper, kinds[h->kind].process, HTTP_ARGUMENT, fds,
			 2 + (unsigned)h->count, now_us);
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	h->broken = h->begun = false;
	h->why[0] = 0;
	h->answers = http_answers_open(h->base, pair[0], h->kind, h->ops, h->context, &events);
	if (!h->answers)
		helper_kill(&h->helper);
	return 0;
}

/* What the process sees of us, and may not change. */
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
	/* That it cannot be cut short must hold: we write there. The other is of Linux 5.1. */
	if (fcntl(h->shared_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	fcntl(h->shared_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
	find_names(h->shared, config);
	h->shared->beat_us = now_us;
	h->shared->kind = h->kind;
	return 0;
}

static int open_sockets(struct http *h, const struct config *config, char *why)
{
	const struct endpoints *listen =
		h->kind == HTTP_CUSTOMERS ? &config->http_public : &config->http_listen;
	const char *which = "";
	int count = endpoints_listen(listen, BACKLOG, 0660, h->fds, &which);

	if (count >= 0) {
		h->count = count;
		return 0;
	}
	snprintf(why, 160, "cannot listen on http.%s = %.64s: %s%s", kinds[h->kind].option, which,
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
	h->base = base;
	h->kind = kind;
	h->ops = ops;
	h->context = context;
	h->shared_fd = -1;
	r = open_sockets(h, config, why);
	if (r == 0)
		r = open_shared(h, config, now_us);
	if (r == 0)
		r = start(h, now_us);
	if (r < 0) {
		if (!why[0])
			snprintf(why, 160, "cannot start the process that answers %s: %s",
				 kinds[kind].what, strerror(-r));
		http_close(h);
		return r;
	}
	*ret_http = h;
	return 0;
}

/* It is not there: since it ended, or since we ended it. */
static void take_note(struct http *h, const char *how, uint64_t now_us)
{
	uint64_t wait_us = h->helper.next_us > now_us ? h->helper.next_us - now_us : 0;

	http_answers_close(h->answers);
	h->answers = NULL;
	log_warning(
		"The process that answers %s ended: %s. It is started again in %.0f s; mail is not affected.",
		kinds[h->kind].what, h->why[0] ? h->why : how,
		(double)(wait_us + US_PER_S / 2) / 1e6);
}

void http_step(struct http *h, const struct engine_view *view, uint64_t now_us)
{
	char how[48];
	int r;

	__atomic_store_n(&h->shared->state, (uint32_t)view->state, __ATOMIC_RELAXED);
	__atomic_store_n(&h->shared->beat_us, now_us, __ATOMIC_RELAXED);
	__atomic_fetch_add(&h->shared->tick, 1, __ATOMIC_RELAXED);
	if (h->answers && !h->broken && !http_answers_step(h->answers, now_us))
		on_broken(h, "it did not answer for 15 s");
	if (h->broken)
		helper_kill(&h->helper);
	if (helper_ended(&h->helper, now_us, how))
		take_note(h, how, now_us);
	if (!helper_due(&h->helper, now_us))
		return;
	r = start(h, now_us);
	if (r < 0)
		log_warning(
			"Cannot start the process that answers %s: %s. It is tried again; mail is not affected.",
			kinds[h->kind].what, strerror(-r));
}

void http_configure(struct http *h, const struct config *config)
{
	find_names(h->shared, config);
}

bool http_is_up(const struct http *h)
{
	return h->answers && h->begun;
}

uint64_t http_restarts(const struct http *h)
{
	return h->helper.starts - 1;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	helper_close(&h->helper);
	http_answers_close(h->answers);
	for (int i = 0; i < h->count; i++)
		close(h->fds[i]);
	if (h->shared)
		munmap(h->shared, sizeof(*h->shared));
	if (h->shared_fd >= 0)
		close(h->shared_fd);
	free(h);
}
