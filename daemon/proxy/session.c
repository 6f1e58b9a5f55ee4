/* The life of a session: it begins, goes from phase to phase, and ends. This file carries out
 * what the parts return, and only this file frees a session. */
#include "proxy/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "proxy/session_parts.h"

#define HEADER_US (5 * US_PER_S) /* for a PROXY header to arrive */

/* Carries out what a part returned, until the session stays as it is. It may free the session:
 * do not touch it afterwards. */
static void go_on(struct session *session, enum next next);

static void free_event(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

static void close_backend(struct session *s)
{
	free_event(&s->backend_read);
	free_event(&s->backend_write);
	if (s->backend_fd >= 0)
		close(s->backend_fd);
	s->backend_fd = -1;
}

static void stop_lingering(struct session *s)
{
	if (!s->lingers)
		return;
	s->lingers = false;
	s->tally->lingering--;
	tally_counts(s->tally)->refused_lingering--;
}

static void end(struct session *s, bool in_order)
{
	if (s->phase == PHASE_HELD)
		held_leave(s, HELD_LEFT, (struct verdict){ 0 });
	flight_leave(s, in_order);
	close_backend(s);
	stop_lingering(s);
	refuse_forget(s);
	if (s->phase == PHASE_REFUSE || s->phase == PHASE_CLOSING)
		s->tally->refused--;
	free_event(&s->client_read);
	free_event(&s->client_write);
	if (s->client_fd >= 0)
		close(s->client_fd);
	free(s->up.pending);
	free(s->down.pending);
	if (s->next)
		s->next->previous = s->previous;
	if (s->previous)
		s->previous->next = s->next;
	else
		s->tally->sessions = s->next;
	s->tally->session_count--;
	free(s);
}

/* Passes a broken connection on to the other side as a reset. */
static void reset(struct session *s)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	if (s->client_fd >= 0 && s->phase == PHASE_RELAY)
		setsockopt(s->client_fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	end(s, false);
}

/* Refuses an admitted client, because there is no server for it. */
static enum next refuse_for(struct session *s, enum fault fault, const char *detail)
{
	struct tally *t = s->tally;

	tally_counts(t)->deferred++;
	tally_counts(t)->deferred_by[REASON_BACKEND]++;
	flight_tell_late(s);
	t->counts.counts->errors++;
	tally_fault(t, fault, s->moved_us, detail);
	s->refusal = REASON_BACKEND;
	return NEXT_REFUSE;
}

static enum next refuse_admitted(struct session *s, enum fault fault)
{
	return refuse_for(s, fault, s->tally->config.proxy.backend.text);
}

static enum next refuse_unreachable(struct session *s)
{
	char detail[512];

	snprintf(detail, sizeof(detail), "%s: %s", s->tally->config.proxy.backend.text,
		 strerror(s->connect_error));
	return refuse_for(s, FAULT_BACKEND_DOWN, detail);
}

static enum next refuse_unanswered(struct session *s)
{
	char detail[512], lasting[DURATION_PRINTED];

	snprintf(detail, sizeof(detail), "%s: no answer for %s",
		 s->tally->config.proxy.backend.text,
		 duration_print_us(s->moved_us - s->track.began_us, lasting));
	return refuse_for(s, FAULT_BACKEND_UNANSWERED, detail);
}

static void on_backend(evutil_socket_t fd, short what, void *context)
{
	go_on(context, relay_down(context));
}

static void on_backend_writable(evutil_socket_t fd, short what, void *context)
{
	go_on(context, relay_backend_writable(context));
}

static enum next connect_backend(struct session *s)
{
	enum next next;

	close_backend(s);
	next = relay_connect(s);
	if (next != NEXT_STAY || s->backend_fd < 0) /* it waits until the backend has room */
		return next;
	s->backend_read =
		event_new(s->tally->base, s->backend_fd, EV_READ | EV_PERSIST, on_backend, s);
	s->backend_write =
		event_new(s->tally->base, s->backend_fd, EV_WRITE, on_backend_writable, s);
	if (!s->backend_read || !s->backend_write) {
		s->connect_error = ENOMEM;
		return NEXT_UNREACHABLE;
	}
	return relay_connected(s);
}

static enum next decide(struct session *s)
{
	struct session *instead = NULL;
	enum next next;

	session_mend_counts(s->tally);
	/* A place that has just become free belongs to those that wait. */
	session_admit_held(s->tally, s->moved_us);
	next = verdict_decide(s, &instead);
	if (instead)
		go_on(instead, verdict_in_vain(instead, s->moved_us));
	return next;
}

/* Carries out one step and returns the next one. After NEXT_END, NEXT_BREAK and NEXT_RESET the
 * session no longer exists, and the next step is NEXT_STAY. */
static enum next carry_out(struct session *s, enum next next)
{
	switch (next) {
	case NEXT_DECIDE:
		return decide(s);
	case NEXT_CONNECT:
		return connect_backend(s);
	case NEXT_REFUSE:
		flight_leave(s, false);
		close_backend(s);
		return refuse_begin(s);
	case NEXT_UNREACHABLE:
		return refuse_unreachable(s);
	case NEXT_UNANSWERED:
		return refuse_unanswered(s);
	case NEXT_SILENT:
		return refuse_admitted(s, FAULT_BACKEND_SILENT);
	case NEXT_NO_DESCRIPTOR:
		return refuse_admitted(s, FAULT_DESCRIPTORS);
	case NEXT_END:
		end(s, true);
		break;
	case NEXT_BREAK:
		end(s, false);
		break;
	case NEXT_RESET:
		reset(s);
		break;
	case NEXT_STAY:
		break;
	}
	return NEXT_STAY;
}

static void go_on(struct session *s, enum next next)
{
	while (next != NEXT_STAY)
		next = carry_out(s, next);
}

void session_abort(struct session *session)
{
	go_on(session, NEXT_BREAK);
}

void session_tick(struct session *s, uint64_t now_us)
{
	go_on(s, timeouts_check(s, now_us));
}

void session_admit_held(struct tally *t, uint64_t now_us)
{
	struct session *s;
	enum next next;

	timeouts_look(t, now_us);
	while ((s = verdict_on_held(t, now_us, &next)))
		go_on(s, next);
}

void session_connect_again(struct tally *t, uint64_t now_us)
{
	struct session *first = NULL, *next;

	if (!t->backend_full && !t->backend_changed)
		return;
	/* The list begins with the latest, so this one begins with the earliest. */
	for (struct session *s = t->sessions; s; s = s->next) {
		if (s->phase != PHASE_CONNECT)
			continue;
		if (t->backend_changed) {
			close_backend(s);
			s->deadline_us = now_us + t->config.proxy.connect_us;
		}
		if (s->backend_fd < 0) {
			s->again = first;
			first = s;
		}
	}
	t->backend_full = t->backend_changed = false;
	for (; first && !t->backend_full; first = next) {
		next = first->again;
		first->moved_us = now_us;
		go_on(first, NEXT_CONNECT);
	}
}

static enum next hear_client(struct session *s)
{
	switch (s->phase) {
	case PHASE_HEADER:
		return header_read(s);
	case PHASE_HELD:
		return held_watch(s);
	case PHASE_RELAY:
		return relay_up(s);
	case PHASE_REFUSE:
	case PHASE_CLOSING:
		s->moved_us = clock_monotonic_us();
		return refuse_hear(s);
	case PHASE_CONNECT:
		break;
	}
	return NEXT_STAY;
}

static void on_client(evutil_socket_t fd, short what, void *context)
{
	go_on(context, hear_client(context));
}

void session_hear_refused(struct tally *t, uint64_t now_us)
{
	struct session *s;
	enum next next;

	while ((s = refuse_next(t))) {
		s->moved_us = now_us;
		next = refuse_hear(s);
		if (next == NEXT_STAY)
			event_add(s->client_read, NULL);
		go_on(s, next);
	}
}

static void on_client_writable(evutil_socket_t fd, short what, void *context)
{
	go_on(context, relay_client_writable(context));
}

void session_new(struct tally *t, int fd, const struct sockaddr_storage *peer, uint64_t now_us)
{
	struct session *s = calloc(1, sizeof(*s));
	enum next next = NEXT_DECIDE;

	if (!s) {
		t->counts.counts->errors++;
		close(fd);
		return;
	}
	s->tally = t;
	s->client_fd = fd;
	s->backend_fd = -1;
	s->opened_us = s->moved_us = now_us;
	s->next = t->sessions;
	if (s->next)
		s->next->previous = s;
	t->sessions = s;
	t->session_count++;
	address_of_socket(peer, &s->addresses.source, &s->addresses.source_port);
	s->addresses.known = peer->ss_family == AF_INET || peer->ss_family == AF_INET6;
	s->client_read = event_new(t->base, fd, EV_READ | EV_PERSIST, on_client, s);
	s->client_write = event_new(t->base, fd, EV_WRITE, on_client_writable, s);
	if (!s->client_read || !s->client_write) {
		t->counts.counts->errors++;
		go_on(s, NEXT_BREAK);
		return;
	}
	if (t->config.proxy.accept_proxy_protocol) {
		if (!config_sends_headers(&t->config, &s->addresses.source)) {
			header_fault(s, FAULT_HEADER_FOREIGN);
			go_on(s, NEXT_BREAK);
			return;
		}
		s->phase = PHASE_HEADER;
		s->deadline_us = now_us + HEADER_US;
		/* A balancer sends it at once, so it is here already if clients are accepted in
		 * turns. */
		next = header_read(s);
		if (next == NEXT_STAY)
			event_add(s->client_read, NULL);
	}
	go_on(s, next);
}

/* Adds this session to the gauges of `counts`, which begin at zero. */
static void recount(const struct session *s, struct counts_service *c)
{
	c->in_flight += s->in_flight;
	c->shadow_in_flight += s->shadow;
	c->ungreeted += s->ungreeted && !s->overtaken;
	c->held += s->phase == PHASE_HELD;
	c->busy += s->in_flight && s->track.busy;
	c->stuck += s->in_flight && s->track.stuck;
	c->refused_lingering += s->lingers;
}

void session_mend_counts(struct tally *t)
{
	if (!countsfile_is_torn(&t->counts) && !eventsfile_is_torn(&t->events))
		return;
	log_warning(
		"Another process has cut %s or the events beside it short. New files were made; mail is not affected.",
		t->counts.path);
	countsfile_close(&t->counts);
	eventsfile_close(&t->events);
	/* They have a new name: the daemon counts the figures of the old file until it finds that
	 * file unlocked. */
	if (tally_open_counts(t) < 0) {
		log_error(
			"Cannot make new files of counts: out of memory. penstock-proxy ends, and its unit starts it again.");
		abort();
	}
	for (struct session *s = t->sessions; s; s = session_next(s))
		recount(s, tally_counts(t));
}

struct session *session_next(const struct session *session)
{
	return session->next;
}

uint64_t session_waiting_since(const struct session *session)
{
	return session->ungreeted && !session->overtaken ? session->track.began_us : 0;
}
