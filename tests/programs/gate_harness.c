/* The gate and its responder without the daemon, under a plan that the test dictates: `gate_harness
 * PORT`, one order a line on stdin, one JSON line on stdout for each. Orders: `window N` (-1: any),
 * `observe`, `enforce`, `drain`, `serve`, `resets N`, `epoch N`, `beside N`
 * (another front decides, in which N more may wait for a place), `view`. A tick is 20 ms. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/responder.h"
#include "kernel/gate.h"

static struct plan plan = { .magic = PLAN_MAGIC, .version = PLAN_VERSION, .services = 1 };
static struct counts counts;
static struct gate *gate;
static uint64_t finished, events, epoch = 1;
static struct gate_other other = { .tokens_milli = PLAN_UNLIMITED };
static bool beside;

static enum reason reason(void *context, const struct in6_addr *client, uint16_t client_port,
			  uint16_t port)
{
	return gate ? gate_reason(gate, client, client_port, port) : REASON_NONE;
}

static void on_event(void *context, const struct gate_event *event)
{
	events++;
	finished += event->finished;
}

static void view(void)
{
	const struct counts_service *c = &counts.service[0];
	struct gate_view v;

	gate_view(gate, &v);
	printf("{\"offered\":%llu,\"admitted\":%llu,\"deferred\":%llu,\"reset\":%llu,\"would_defer\":%llu,\"in_flight\":%llu,\"used\":%llu,\"tickets\":%u,"
	       "\"expired\":%llu,\"syns_fail\":%d,\"postponed\":%llu,\"stale\":%llu,\"full\":%llu,\"closed\":%llu,\"repaired\":%llu,\"events\":%llu,"
	       "\"finished\":%llu,\"lost\":%llu,\"form\":\"%s\"}\n",
	       (unsigned long long)c->offered, (unsigned long long)c->admitted,
	       (unsigned long long)c->deferred, (unsigned long long)c->refused_reset,
	       (unsigned long long)c->would_defer, (unsigned long long)c->in_flight,
	       (unsigned long long)c->shadow_in_flight, v.tickets,
	       (unsigned long long)v.tickets_expired, v.syns_fail, (unsigned long long)c->postponed,
	       (unsigned long long)v.lookups_stale, (unsigned long long)v.passed_full,
	       (unsigned long long)v.passed_closed, (unsigned long long)v.repaired,
	       (unsigned long long)events, (unsigned long long)finished,
	       (unsigned long long)(v.events_lost + v.sessions_lost), v.form);
}

static void tick(struct responder *responder)
{
	uint64_t now_us = clock_monotonic_us();
	char why[160];

	plan.heartbeat_us = now_us;
	plan.epoch = plan.salt = epoch;
	gate_poll(gate, now_us, &counts, on_event, NULL);
	gate_pause(gate, !responder_fit(responder, now_us, why));
	responder_push(responder, &plan, false);
	if (beside)
		gate_beside(gate, &other, now_us);
	gate_push(gate, &plan, 0, false);
}

static void obey(struct responder *responder, const char *line)
{
	long number;

	if (sscanf(line, "window %ld", &number) == 1)
		plan.service[0].window = number < 0 ? PLAN_UNLIMITED : (uint32_t)number;
	else if (strncmp(line, "observe", 7) == 0 || strncmp(line, "enforce", 7) == 0)
		plan.mode = line[0] == 'o' ? PLAN_OBSERVE : PLAN_ENFORCE;
	else if (strncmp(line, "drain", 5) == 0 || strncmp(line, "serve", 5) == 0)
		plan.order = line[0] == 'd' ? PLAN_DRAIN : PLAN_SERVE;
	else if (sscanf(line, "resets %ld", &number) == 1)
		gate_resets(gate, number);
	else if (sscanf(line, "epoch %ld", &number) == 1)
		epoch = (uint64_t)number;
	else if (sscanf(line, "beside %ld", &number) == 1) {
		other.room = (uint32_t)number;
		beside = true;
	} else if (strncmp(line, "view", 4) == 0) {
		tick(responder);
		view();
		return;
	}
	tick(responder); /* in force when the answer goes out */
	printf("{}\n");
}

int main(int argc, char **argv)
{
	struct responder_options r = { .netns_fd = -1, .mark = GATE_MARK, .reason = reason };
	struct gate_options g = { .netns_fd = -1 };
	struct pollfd input = { .fd = 0, .events = POLLIN };
	struct responder *responder = NULL;
	char why[256] = "", line[256];

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	g.ports[0] = (uint16_t)atoi(argc > 1 ? argv[1] : "2525");
	counts_init(&counts, "gate", 0);
	plan.service[0] = (struct plan_service){ .window = PLAN_UNLIMITED,
						 .ungreeted_max = PLAN_UNLIMITED,
						 .rate_milli = PLAN_UNLIMITED,
						 .source_max = PLAN_UNLIMITED,
						 .source_share = PLAN_UNLIMITED,
						 .reply_code = 451,
						 .reason = REASON_CPU };
	snprintf(r.manner.style.hostname, sizeof(r.manner.style.hostname), "mx.example.org");
	r.manner.reply_code = 451;
	r.manner.linger_max = 2000;
	r.manner.linger_us = 20000000;
	r.manner.cpu_ratio = 1;
	if (responder_open(&r, &responder, why) < 0) {
		fprintf(stderr, "gate_harness: %s\n", why);
		return 77;
	}
	g.listener_v4 = responder_listener_v4(responder);
	g.listener_v6 = responder_listener_v6(responder);
	if (gate_open(&g, &gate, why) < 0) {
		fprintf(stderr, "gate_harness: %s\n", why);
		return 77;
	}
	tick(responder);
	printf("{\"ready\":1}\n");
	for (;;) {
		int n = poll(&input, 1, 20);

		if (n > 0 && !fgets(line, sizeof(line), stdin))
			break;
		if (n > 0)
			obey(responder, line);
		tick(responder);
	}
	gate_close(gate, false);
	responder_close(responder);
	return 0;
}
