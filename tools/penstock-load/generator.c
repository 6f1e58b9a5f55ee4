#include "penstock-load/generator.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/splitmix.h"

#define ANSWER_MAX 8192

enum step { STEP_GREETING, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_BODY, STEP_QUIT };

struct generator {
	const struct generator_config *config;
	struct report *report;
	struct event_base *base;
	struct event *arrival, *end, *interrupt;
	uint64_t start_us, random;
	uint64_t open, waiting; /* sessions, and messages that wait for their retry */
	double next_s, late_s;
	bool over; /* the schedule is */
	bool source_said; /* logged that an address cannot be used as the sender's */
	struct evbuffer *body;
	struct session *sessions;
};

struct session {
	struct generator *generator;
	struct session *next, **previous;
	struct bufferevent *stream;
	/* time-out of the step, the client's thinking, or the pause before a retry */
	struct event *timer;
	struct attempt attempt;
	enum step step;
	unsigned recipients;
	bool thinking, ended, pausing;
	struct in_addr source;
};

static void start_attempt(struct session *s);
static void say_next(struct session *s);

static double now_s(const struct generator *g)
{
	return (double)(clock_monotonic_us() - g->start_us) / 1e6;
}

static struct timeval interval(double seconds)
{
	struct timeval tv;

	if (seconds < 0)
		seconds = 0;
	tv.tv_sec = (time_t)seconds;
	tv.tv_usec = (suseconds_t)((seconds - (double)tv.tv_sec) * 1e6);
	return tv;
}

static void arm(struct session *s, double seconds)
{
	struct timeval tv = interval(seconds);

	event_add(s->timer, &tv);
}

static void finish_if_done(struct generator *g)
{
	if (g->over && !g->open && !g->waiting)
		event_base_loopexit(g->base, NULL);
}

static void session_free(struct session *s)
{
	struct generator *g = s->generator;

	*s->previous = s->next;
	if (s->next)
		s->next->previous = s->previous;
	if (s->stream)
		bufferevent_free(s->stream);
	event_free(s->timer);
	free(s);
	finish_if_done(g);
}

/* The attempt is over: counted once; the connection may still say QUIT. */
static void end_attempt(struct session *s, enum outcome outcome)
{
	struct generator *g = s->generator;

	if (s->ended)
		return;
	s->ended = true;
	s->attempt.outcome = outcome;
	s->attempt.ended_s = now_s(g);
	report_attempt(g->report, &s->attempt);
	g->open--;
}

/* The connection is over: the message may be tried again. */
static void close_session(struct session *s)
{
	struct generator *g = s->generator;
	enum outcome outcome = s->attempt.outcome;

	if (s->stream)
		bufferevent_free(s->stream);
	s->stream = NULL;
	if (outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_REJECTED ||
	    outcome == OUTCOME_UNFINISHED || s->attempt.number >= g->config->retries) {
		if (outcome != OUTCOME_ACCEPTED)
			report_given_up(g->report);
		session_free(s);
		return;
	}
	s->pausing = true;
	g->waiting++;
	arm(s, g->config->retry_s[s->attempt.number]);
}

static void fail(struct session *s, enum outcome outcome)
{
	end_attempt(s, outcome);
	close_session(s);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct session *s = context;
	struct generator *g = s->generator;

	if (s->pausing) {
		double first_s = s->attempt.first_s;
		unsigned number = s->attempt.number + 1;

		s->pausing = false;
		g->waiting--;
		memset(&s->attempt, 0, sizeof(s->attempt));
		s->attempt.first_s = first_s;
		s->attempt.number = number;
		s->attempt.scheduled_s = now_s(g);
		start_attempt(s);
	} else if (s->thinking) {
		s->thinking = false;
		say_next(s);
	} else {
		fail(s, OUTCOME_TIMEOUT);
	}
}

/* ---- the dialogue --------------------------------------------------------------------------- */

static void say_next(struct session *s)
{
	struct generator *g = s->generator;
	struct evbuffer *out = bufferevent_get_output(s->stream);

	switch (s->step) {
	case STEP_EHLO:
		evbuffer_add_printf(out, "EHLO load.example.net\r\n");
		break;
	case STEP_MAIL:
		evbuffer_add_printf(out, "MAIL FROM:<sender@load.example.net>\r\n");
		break;
	case STEP_RCPT:
		evbuffer_add_printf(out, "RCPT TO:<%s>\r\n", g->config->recipient);
		break;
	case STEP_DATA:
		evbuffer_add_printf(out, "DATA\r\n");
		break;
	case STEP_BODY:
		evbuffer_add_buffer_reference(out, g->body);
		break;
	default:
		evbuffer_add_printf(out, "QUIT\r\n");
	}
	arm(s, s->step == STEP_QUIT ? 2 : g->config->command_timeout_s);
}

static void go(struct session *s, enum step step)
{
	s->step = step;
	if (s->generator->config->rtt_s > 0) {
		s->thinking = true;
		arm(s, s->generator->config->rtt_s);
	} else {
		say_next(s);
	}
}

static void take_reply(struct session *s, int code, const char *text)
{
	static const int wanted[] = { 2, 2, 2, 2, 3, 2, 2 };
	struct generator *g = s->generator;

	if (s->step == STEP_QUIT) {
		close_session(s);
		return;
	}
	s->attempt.code = code;
	snprintf(s->attempt.text, sizeof(s->attempt.text), "%s", text);
	if (s->step == STEP_GREETING && code / 100 == 2)
		s->attempt.greeted_s = now_s(g);
	if (code / 100 != wanted[s->step]) {
		end_attempt(s, code / 100 == 5 ? OUTCOME_REJECTED : OUTCOME_REFUSED);
		go(s, STEP_QUIT);
	} else if (s->step == STEP_BODY) {
		end_attempt(s, OUTCOME_ACCEPTED);
		go(s, STEP_QUIT);
	} else if (s->step == STEP_RCPT && ++s->recipients < g->config->recipients) {
		go(s, STEP_RCPT);
	} else {
		go(s, s->step + 1);
	}
}

static void on_read(struct bufferevent *stream, void *context)
{
	struct session *s = context;
	struct evbuffer *in = bufferevent_get_input(stream);
	enum step before;

	do {
		size_t length;
		char *line = evbuffer_readln(in, &length, EVBUFFER_EOL_CRLF);
		int code;
		bool last;

		if (!line) {
			if (evbuffer_get_length(in) > ANSWER_MAX)
				fail(s, OUTCOME_RESET);
			return;
		}
		code = atoi(line);
		last = length < 4 || line[3] != '-';
		before = s->step;
		if (last)
			event_del(s->timer);
		if (last && code >= 200 && code < 600) {
			take_reply(s, code, line);
			free(line);
			if (before == STEP_QUIT)
				return; /* closed */
			continue;
		}
		free(line);
	} while (!s->thinking);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	struct session *s = context;

	if (what & BEV_EVENT_CONNECTED) {
		arm(s, s->generator->config->greeting_timeout_s);
		return;
	}
	if (s->ended)
		close_session(s);
	else
		fail(s, s->attempt.started_s >= 0 && s->step == STEP_GREETING &&
					s->attempt.code == 0 &&
					EVUTIL_SOCKET_ERROR() == ECONNREFUSED
				? OUTCOME_UNREACHABLE
				: OUTCOME_RESET);
}

/* ---- connections ---------------------------------------------------------------------------- */

static int bind_source(int fd, const struct session *s)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = s->source };
	int one = 1;

	if (!s->generator->config->source_count)
		return 0;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static void start_attempt(struct session *s)
{
	struct generator *g = s->generator;
	const struct endpoint *target = &g->config->target;
	int fd = -1, one = 1, r = 0;

	s->ended = s->thinking = false;
	s->step = STEP_GREETING;
	s->recipients = 0;
	s->attempt.greeted_s = -1;
	s->attempt.started_s = now_s(g);
	inet_ntop(AF_INET, &s->source, s->attempt.source, sizeof(s->attempt.source));
	g->open++;
	if (g->open <= g->config->open_max)
		fd = socket(target->address.any.sa_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (r = bind_source(fd, s)) < 0 && !g->source_said) {
		fprintf(stderr,
			"penstock-load: cannot send from %s: %s; such messages count as unreachable\n",
			s->attempt.source, strerror(-r));
		g->source_said = true;
	}
	if (fd < 0 || r < 0) {
		if (fd >= 0)
			close(fd);
		fail(s, OUTCOME_UNREACHABLE);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->stream = bufferevent_socket_new(g->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->stream, on_read, NULL, on_event, s);
	bufferevent_enable(s->stream, EV_READ | EV_WRITE);
	arm(s, g->config->greeting_timeout_s);
	if (bufferevent_socket_connect(s->stream, &target->address.any, (int)target->length) < 0 &&
	    !s->ended)
		fail(s, OUTCOME_UNREACHABLE);
}

static void new_message(struct generator *g, double at_s)
{
	struct session *s = calloc(1, sizeof(*s));
	unsigned sources = g->config->source_count;

	report_offered(g->report, at_s);
	if (s)
		s->timer = evtimer_new(g->base, on_timer, s);
	if (!s || !s->timer) {
		free(s);
		return;
	}
	s->generator = g;
	s->next = g->sessions;
	s->previous = &g->sessions;
	if (s->next)
		s->next->previous = &s->next;
	g->sessions = s;
	if (sources)
		s->source.s_addr = htonl(g->config->source_base +
					 g->config->source_step *
						 (unsigned)(splitmix_unit(&g->random) * sources));
	s->attempt.scheduled_s = s->attempt.first_s = at_s;
	start_attempt(s);
}

static void on_arrival(evutil_socket_t fd, short what, void *context)
{
	struct generator *g = context;
	struct schedule *schedule = (struct schedule *)&g->config->schedule;
	double now = now_s(g);
	struct timeval tv;

	while (g->next_s >= 0 && g->next_s <= now) {
		if (now - g->next_s > g->late_s)
			g->late_s = now - g->next_s;
		new_message(g, g->next_s);
		g->next_s = schedule_next(schedule);
		now = now_s(g);
	}
	if (g->next_s < 0) {
		g->over = true;
		tv = interval(schedule->end_s + g->config->drain_s - now);
		event_add(g->end, &tv);
		finish_if_done(g);
		return;
	}
	tv = interval(g->next_s - now);
	event_add(g->arrival, &tv);
}

static void on_end(evutil_socket_t fd, short what, void *context)
{
	event_base_loopexit(((struct generator *)context)->base, NULL);
}

static int make_body(struct generator *g)
{
	uint64_t size = 0;

	g->body = evbuffer_new();
	if (!g->body)
		return -ENOMEM;
	evbuffer_add_printf(g->body,
			    "From: sender@load.example.net\r\nTo: %s\r\nSubject: load\r\n\r\n",
			    g->config->recipient);
	while (size < g->config->size) {
		evbuffer_add_printf(
			g->body,
			"%08llx the quick brown fox jumps over the lazy dog 0123456789\r\n",
			(unsigned long long)size);
		size += 64;
	}
	evbuffer_add_printf(g->body, ".\r\n");
	return 0;
}

int generator_run(const struct generator_config *config, struct report *report, double *ret_late_s)
{
	struct generator g = { .config = config, .report = report, .random = config->seed * 7 + 1 };
	int r = make_body(&g);

	if (r < 0)
		return r;
	signal(SIGPIPE, SIG_IGN);
	g.base = event_base_new();
	g.arrival = evtimer_new(g.base, on_arrival, &g);
	g.end = evtimer_new(g.base, on_end, &g);
	g.interrupt = evsignal_new(g.base, SIGINT, on_end, &g);
	if (!g.base || !g.arrival || !g.end || !g.interrupt)
		return -ENOMEM;
	event_add(g.interrupt, NULL);
	g.start_us = clock_monotonic_us();
	g.next_s = schedule_next((struct schedule *)&config->schedule);
	on_arrival(-1, 0, &g);
	event_base_dispatch(g.base);
	g.over = false;
	while (g.sessions) {
		struct session *s = g.sessions;

		if (!s->pausing)
			end_attempt(s, OUTCOME_UNFINISHED);
		if (s->attempt.outcome != OUTCOME_ACCEPTED)
			report_given_up(report);
		session_free(s);
	}
	*ret_late_s = g.late_s;
	event_free(g.arrival);
	event_free(g.end);
	event_free(g.interrupt);
	event_base_free(g.base);
	evbuffer_free(g.body);
	return 0;
}
