#include "penstock-load/generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <signal.h>

#include "base/clock.h"
#include "core/splitmix.h"
#include "penstock-load/message.h"

struct generator {
	struct load load;
	struct event *arrival, *end, *interrupt;
	uint64_t random;
	double next_s, late_s;
};

static struct in_addr draw_source(struct generator *g)
{
	const struct generator_config *config = g->load.config;
	struct in_addr source = { 0 };

	if (config->source_count)
		source.s_addr = htonl(config->source_base +
				      config->source_step * (unsigned)(splitmix_unit(&g->random) *
								       config->source_count));
	return source;
}

static void on_arrival(evutil_socket_t fd, short what, void *context)
{
	struct generator *g = context;
	struct schedule *schedule = (struct schedule *)&g->load.config->schedule;
	double now = load_now_s(&g->load);
	struct timeval tv;

	while (g->next_s >= 0 && g->next_s <= now) {
		if (now - g->next_s > g->late_s)
			g->late_s = now - g->next_s;
		message_new(&g->load, g->next_s, draw_source(g));
		g->next_s = schedule_next(schedule);
		now = load_now_s(&g->load);
	}
	if (g->next_s < 0) {
		g->load.over = true;
		tv = load_interval(schedule->end_s + g->load.config->drain_s - now);
		event_add(g->end, &tv);
		load_finish_if_done(&g->load);
		return;
	}
	tv = load_interval(g->next_s - now);
	event_add(g->arrival, &tv);
}

static void on_end(evutil_socket_t fd, short what, void *context)
{
	event_base_loopexit(((struct generator *)context)->load.base, NULL);
}

static int make_body(struct generator *g)
{
	uint64_t size = 0;

	g->load.body = evbuffer_new();
	if (!g->load.body)
		return -ENOMEM;
	evbuffer_add_printf(g->load.body,
			    "From: sender@load.example.net\r\nTo: %s\r\nSubject: load\r\n\r\n",
			    g->load.config->recipient);
	while (size < g->load.config->size) {
		evbuffer_add_printf(
			g->load.body,
			"%08llx the quick brown fox jumps over the lazy dog 0123456789\r\n",
			(unsigned long long)size);
		size += 64;
	}
	evbuffer_add_printf(g->load.body, ".\r\n");
	return 0;
}

int generator_run(const struct generator_config *config, struct report *report, double *ret_late_s)
{
	struct generator g = { .load = { .config = config, .report = report },
			       .random = config->seed * 7 + 1 };
	int r = make_body(&g);

	if (r < 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	g.load.base = event_base_new();
	g.arrival = evtimer_new(g.load.base, on_arrival, &g);
	g.end = evtimer_new(g.load.base, on_end, &g);
	g.interrupt = evsignal_new(g.load.base, SIGINT, on_end, &g);
	if (!g.load.base || !g.arrival || !g.end || !g.interrupt)
		return -ENOMEM;
	event_add(g.interrupt, NULL);
	g.load.start_us = clock_monotonic_us();
	g.next_s = schedule_next((struct schedule *)&config->schedule);
	on_arrival(-1, 0, &g);
	event_base_dispatch(g.load.base);
	message_end_all(&g.load);
	*ret_late_s = g.late_s;
	event_free(g.arrival);
	event_free(g.end);
	event_free(g.interrupt);
	event_base_free(g.load.base);
	evbuffer_free(g.load.body);
	return 0;
}
