#include "penstock-load/message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define ANSWER_MAX 8192

enum step { STEP_GREETING, STEP_EHLO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_BODY, STEP_QUIT };

struct session {
	struct load *load;
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

double load_now_s(const struct load *l)
{
	return (double)(clock_monotonic_us() - l->start_us) / 1e6;
}

struct timeval load_interval(double seconds)
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
	struct timeval tv = load_interval(seconds);

	event_add(s->timer, &tv);
}

void load_finish_if_done(struct load *l)
{
	if (l->over && !l->open && !l->waiting)
		event_base_loopexit(l->base, NULL);
}

static void session_free(struct session *s)
{
	struct load *l = s->load;

	*s->previous = s->next;
	if (s->next)
		s->next->previous = s->previous;
	if (s->stream)
		bufferevent_free(s->stream);
	event_free(s->timer);
	free(s);
	load_finish_if_done(l);
}

/* The attempt is over: counted once; the connection may still say QUIT. */
static void end_attempt(struct session *s, enum outcome outcome)
{
	struct load *l = s->load;

	if (s->ended)
		return;
	s->ended = true;
	s->attempt.outcome = outcome;
	s->attempt.ended_s = load_now_s(l);
	report_attempt(l->report, &s->attempt);
	l->open--;
}

/* The connection is over: the message may be tried again. */
static void close_session(struct session *s)
{
	struct load *l = s->load;
	enum outcome outcome = s->attempt.outcome;

	if (s->stream)
		bufferevent_free(s->stream);
	s->stream = NULL;
	if (outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_REJECTED ||
	    outcome == OUTCOME_UNFINISHED || s->attempt.number >= l->config->retries) {
		if (outcome != OUTCOME_ACCEPTED)
			report_given_up(l->report);
		session_free(s);
		return;
	}
	s->pausing = true;
	l->waiting++;
	arm(s, l->config->retry_s[s->attempt.number]);
}

static void fail(struct session *s, enum outcome outcome)
{
	end_attempt(s, outcome);
	close_session(s);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct session *s = context;
	struct load *l = s->load;

	if (s->pausing) {
		double first_s = s->attempt.first_s;
		unsigned number = s->attempt.number + 1;

		s->pausing = false;
		l->waiting--;
		memset(&s->attempt, 0, sizeof(s->attempt));
		s->attempt.first_s = first_s;
		s->attempt.number = number;
		s->attempt.scheduled_s = load_now_s(l);
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
	struct load *l = s->load;
	struct evbuffer *out = bufferevent_get_output(s->stream);

	switch (s->step) {
	case STEP_EHLO:
		evbuffer_add_printf(out, "EHLO load.example.net\r\n");
		break;
	case STEP_MAIL:
		evbuffer_add_printf(out, "MAIL FROM:<sender@load.example.net>\r\n");
		break;
	case STEP_RCPT:
		evbuffer_add_printf(out, "RCPT TO:<%s>\r\n", l->config->recipient);
		break;
	case STEP_DATA:
		evbuffer_add_printf(out, "DATA\r\n");
		break;
	case STEP_BODY:
		evbuffer_add_buffer_reference(out, l->body);
		break;
	default:
		evbuffer_add_printf(out, "QUIT\r\n");
	}
	arm(s, s->step == STEP_QUIT ? 2 : l->config->command_timeout_s);
}

static void go(struct session *s, enum step step)
{
	s->step = step;
	if (s->load->config->rtt_s > 0) {
		s->thinking = true;
		arm(s, s->load->config->rtt_s);
	} else {
		say_next(s);
	}
}

static void take_reply(struct session *s, int code, const char *text)
{
	static const int wanted[] = { 2, 2, 2, 2, 3, 2, 2 };
	struct load *l = s->load;

	if (s->step == STEP_QUIT) {
		close_session(s);
		return;
	}
	s->attempt.code = code;
	snprintf(s->attempt.text, sizeof(s->attempt.text), "%s", text);
	if (s->step == STEP_GREETING && code / 100 == 2)
		s->attempt.greeted_s = load_now_s(l);
	if (code / 100 != wanted[s->step]) {
		end_attempt(s, code / 100 == 5 ? OUTCOME_REJECTED : OUTCOME_REFUSED);
		go(s, STEP_QUIT);
	} else if (s->step == STEP_BODY) {
		end_attempt(s, OUTCOME_ACCEPTED);
		go(s, STEP_QUIT);
	} else if (s->step == STEP_RCPT && ++s->recipients < l->config->recipients) {
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
		arm(s, s->load->config->greeting_timeout_s);
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

	if (!s->load->config->source_count)
		return 0;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static void start_attempt(struct session *s)
{
	struct load *l = s->load;
	const struct endpoint *target = &l->config->target;
	int fd = -1, one = 1, r = 0;

	s->ended = s->thinking = false;
	s->step = STEP_GREETING;
	s->recipients = 0;
	s->attempt.greeted_s = -1;
	s->attempt.started_s = load_now_s(l);
	inet_ntop(AF_INET, &s->source, s->attempt.source, sizeof(s->attempt.source));
	l->open++;
	if (l->open <= l->config->open_max)
		fd = socket(target->address.any.sa_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (r = bind_source(fd, s)) < 0 && !l->source_said) {
		fprintf(stderr,
			"penstock-load: cannot send from %s: %s; such messages count as unreachable\n",
			s->attempt.source, strerror(-r));
		l->source_said = true;
	}
	if (fd < 0 || r < 0) {
		if (fd >= 0)
			close(fd);
		fail(s, OUTCOME_UNREACHABLE);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->stream = bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->stream, on_read, NULL, on_event, s);
	bufferevent_enable(s->stream, EV_READ | EV_WRITE);
	arm(s, l->config->greeting_timeout_s);
	if (bufferevent_socket_connect(s->stream, &target->address.any, (int)target->length) < 0 &&
	    !s->ended)
		fail(s, OUTCOME_UNREACHABLE);
}

void message_new(struct load *l, double at_s, struct in_addr source)
{
	struct session *s = calloc(1, sizeof(*s));

	report_offered(l->report, at_s);
	if (s)
		s->timer = evtimer_new(l->base, on_timer, s);
	if (!s || !s->timer) {
		free(s);
		return;
	}
	s->load = l;
	s->next = l->sessions;
	s->previous = &l->sessions;
	if (s->next)
		s->next->previous = &s->next;
	l->sessions = s;
	s->source = source;
	s->attempt.scheduled_s = s->attempt.first_s = at_s;
	start_attempt(s);
}

void message_end_all(struct load *l)
{
	l->over = false;
	while (l->sessions) {
		struct session *s = l->sessions;

		if (!s->pausing)
			end_attempt(s, OUTCOME_UNFINISHED);
		if (s->attempt.outcome != OUTCOME_ACCEPTED)
			report_given_up(l->report);
		session_free(s);
	}
}
