#include <event2/buffer.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "publish/control_wire.h"

/* The control socket. The first octet says which: even, the rest are records of a process that was
 * taken over, and what comes out of them stays in its range; odd, the rest is what a client sends,
 * through the process that parses it and the channel to penstockd. */

static struct event_base *base;
static struct status status;
static struct control_desk desk;
static struct answers *answers;
static int door;

/* Of the registry, which needs every sensor. */
const char *sensor_state_name(enum sensor_state state)
{
	return "ok";
}

static const struct status *get_status(void *context)
{
	return &status;
}

static void order(void)
{
	if (!desk.privileged)
		abort();
}

static int set_mode(void *context, enum plan_mode mode, char *why)
{
	order();
	if (mode != PLAN_ENFORCE && mode != PLAN_OBSERVE)
		abort();
	return 0;
}

static int drain(void *context, uint64_t for_us, const char *reason, char *why)
{
	order();
	if (for_us > (uint64_t)CONTROL_DRAIN_MAX_S * US_PER_S ||
	    (reason && (!*reason || strlen(reason) >= CONTROL_REASON_MAX)))
		abort();
	return -1;
}

static int obey(void *context, char *why)
{
	order();
	return 0;
}

static void explain(void *context, const struct in6_addr *address, bool privileged,
		    struct text *text)
{
	if (privileged != desk.privileged)
		abort();
	text_append(text, "%s", address ? "address" : "host");
}

static size_t history(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
		      struct history_record *ret, size_t most)
{
	if (since_s >= until_s || until_s > clock_realtime_us() / US_PER_S + 2 || !step_s)
		abort();
	return 0;
}

static unsigned sources(void *context, enum source_sort sort, struct source_snapshot *list,
			unsigned most)
{
	order();
	if (sort > SOURCE_BY_ATTEMPTS || !most || most > CONTROL_SOURCES_MAX)
		abort();
	memset(list, 0, most * sizeof(*list));
	return 0;
}

static void on_begun(void *context, uint32_t missing_errno)
{
}

static void on_broken(void *context, const char *why)
{
	abort(); /* our own process never asks what it may not */
}

static void open_once(void)
{
	static const struct control_ops ops = { .status = get_status,
						.set_mode = set_mode,
						.drain = drain,
						.resume = obey,
						.reload = obey,
						.explain = explain,
						.history = history,
						.sources = sources };
	static const struct answers_events events = { .begun = on_begun, .broken = on_broken };
	struct control_process *process;
	int pair[2], doors[2];

	if (base)
		return;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	status.version = "fuzz";
	config_defaults(&status.config);
	desk.ops = &ops;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, doors) < 0)
		abort();
	door = doors[0];
	answers = answers_open(base, pair[0], &control_answers_admin, &desk, &events);
	if (!answers || control_process_open(base, pair[1], doors[1], &process) < 0)
		abort();
}

static void records(const uint8_t *data, size_t size)
{
	desk.privileged = size & 1;
	for (; size; data += sizeof(struct control_question)) {
		struct control_question q = { 0 };
		struct evbuffer *text = evbuffer_new();
		size_t length = size < sizeof(q) ? size : sizeof(q);
		int result = 1;

		memcpy(&q, data, length);
		q.head.what %= CONTROL__COUNT + 2;
		if (control_answers_admin.answer(&desk, &q, &result, text) >= 0 && result > 0)
			abort();
		evbuffer_free(text);
		size -= length;
	}
}

static void calls(const uint8_t *data, size_t size)
{
	static char said[1 << 18];
	static uint64_t now_us = US_PER_S;
	int pair[2];

	desk.privileged = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	if (!control_pass_on(door, pair[1], (struct control_caller){ .privileged = size & 1 }))
		abort();
	close(pair[1]);
	if (send(pair[0], data, size, MSG_NOSIGNAL) < 0 && size)
		abort();
	shutdown(pair[0], SHUT_WR);
	for (int i = 0; i < 16; i++) {
		ssize_t n;

		answers_step(answers, now_us += US_PER_S / 10);
		event_base_loop(base, EVLOOP_NONBLOCK);
		n = recv(pair[0], said, sizeof(said), 0);
		if (n == 0)
			break;
		if (n > 0 && i == 0 && said[0] != '{')
			abort();
	}
	close(pair[0]);
	event_base_loop(base, EVLOOP_NONBLOCK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_once();
	if (!size)
		return 0;
	if (data[0] & 1)
		calls(data + 1, size - 1);
	else
		records(data + 1, size - 1);
	return 0;
}
