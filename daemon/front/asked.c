#include "front/asked.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#define BACKLOG 1024
#define COMPLAIN_US (60 * US_PER_S)
#define AWAY_MAX 64 /* connections a turn of the loop */

/* ---- verdicts ------------------------------------------------------------------------------- */

static bool admits(struct asked_served *front, const struct asked_question *q, char *reply)
{
	struct asked *a = (struct asked *)front;
	struct front_client client = { .address = q->address,
				       .address_known = q->address_known,
				       .port = q->port,
				       .service = a->service,
				       .ahead = a->row->ahead };
	uint64_t now_us = clock_monotonic_us();

	/* Its client was admitted long ago. */
	if (now_us > q->asked_us + ASKED_PATIENCE_US)
		return true;
	if (!client.address_known && !client.ahead)
		faultlog_note(&a->faultlog, &a->counts->faults, FAULT_ADDRESS_UNKNOWN, now_us,
			      NULL);
	return a->env->desk->decide(a->env->context, &client, a->counts, reply).admit;
}

/* ---- trouble -------------------------------------------------------------------------------- */

static void complain(struct asked *a, const struct asked_trouble *t, uint64_t now_us)
{
	char buffer[2 * ASKED_BEGAN_MAX];
	struct text shown = TEXT_OF(buffer);

	if (a->complained_us && now_us - a->complained_us < COMPLAIN_US)
		return;
	a->complained_us = now_us;
	buffer[0] = 0;
	text_append_clean(&shown, t->began,
			  t->length < sizeof(t->began) ? t->length : sizeof(t->began));
	a->row->complain(t->error, buffer);
}

static void note(struct asked *a, enum fault fault, uint32_t count, uint64_t now_us)
{
	if (!count)
		return;
	/* the last one is counted where it is logged */
	a->counts->faults.count[fault] += count - 1;
	faultlog_note(&a->faultlog, &a->counts->faults, fault, now_us, a->row->section);
}

static void on_trouble(struct asked_served *front, const struct asked_trouble *t)
{
	struct asked *a = (struct asked *)front;
	uint64_t now_us = clock_monotonic_us();

	a->counts->malformed += t->malformed;
	a->counts->errors += (uint64_t)t->errors + t->full + t->descriptors;
	if (t->malformed)
		complain(a, t, now_us);
	note(a, FAULT_CONNECTIONS, t->full, now_us);
	note(a, FAULT_DESCRIPTORS, t->descriptors, now_us);
	note(a, FAULT_UNASKED, t->unasked, now_us);
}

/* The mail server finds the connection closed, and admits its client. */
static void on_away(evutil_socket_t listener, short what, void *context)
{
	struct asked *a = context;
	uint32_t count = 0;
	int fd;

	while (count < AWAY_MAX && (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		count++;
	}
	note(a, FAULT_UNASKED, count, clock_monotonic_us());
}

static void turn_away(struct asked_served *front, bool away)
{
	struct asked *a = (struct asked *)front;

	for (unsigned i = 0; i < front->count; i++) {
		if (away)
			event_add(a->away[i], NULL);
		else
			event_del(a->away[i]);
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static void fill_opening(const struct asked_served *front, struct asked_opening *ret)
{
	const struct asked *a = (const struct asked *)front;
	const struct config *config = a->env->config;
	const struct config_asked *settings = asked_settings(a->row, config);

	memset(ret, 0, sizeof(*ret));
	ret->kind = front->kind;
	ret->connections_max = settings->connections_max;
	ret->idle_us = settings->idle_us;
	snprintf(ret->hostname, sizeof(ret->hostname), "%s",
		 config->service[a->service].reply.hostname);
	if (a->row->fill)
		a->row->fill(settings, ret);
}

static int listen_all(struct asked *a, char *why)
{
	const char *mode = asked_settings(a->row, a->env->config)->socket_mode, *which = "";
	int count = endpoints_listen(&a->listen, BACKLOG,
				     mode[0] ? (unsigned)strtoul(mode, NULL, 8) : 0660,
				     a->served.fds, &which);

	if (count < 0) {
		snprintf(why, 160, "cannot listen on %s.listen = %.64s: %s%s", a->row->section,
			 which, strerror(-count),
			 count == -EADDRINUSE ? ": another program has it" : "");
		return count;
	}
	a->served.count = (unsigned)count;
	for (unsigned i = 0; i < a->served.count; i++) {
		a->away[i] =
			event_new(a->env->base, a->served.fds[i], EV_READ | EV_PERSIST, on_away, a);
		if (!a->away[i])
			return -ENOMEM;
	}
	return 0;
}

static const struct asked_served_ops ops = {
	.opening = fill_opening, .admits = admits, .trouble = on_trouble, .turn_away = turn_away
};

int asked_open(struct asked *a, const struct asked_row *row, const struct front_env *env,
	       struct counts *counts, char *why)
{
	const struct config_asked *settings = asked_settings(row, env->config);
	int r, index = config_service_index(env->config, settings->service);

	a->served.kind = row->kind;
	a->served.ops = &ops;
	a->env = env;
	a->row = row;
	a->listen = settings->listen;
	a->counts = counts;
	a->service = index < 0 ? 0 : (unsigned)index;
	r = listen_all(a, why);
	if (r < 0) {
		asked_close(a);
		return r;
	}
	counts->serves = 1ull << a->service;
	asked_helper_add(env->asked, &a->served);
	return 0;
}

/* The process has each socket, too, and may be slow to close it. shutdown() ends the listening, so
 * that the address is free at once. A socket that the service manager keeps goes on listening. */
static void stop_listening(const struct asked *a)
{
	bool kept = false;

	for (unsigned i = 0; i < a->listen.count; i++)
		kept |= a->listen.each[i].kind == ENDPOINT_SYSTEMD;
	for (unsigned i = 0; i < a->served.count; i++) {
		if (a->away[i])
			event_free(a->away[i]);
		if (!kept)
			shutdown(a->served.fds[i], SHUT_RDWR);
		close(a->served.fds[i]);
	}
	for (unsigned i = 0; a->served.count && i < a->listen.count; i++)
		if (a->listen.each[i].kind == ENDPOINT_UNIX)
			unlink(a->listen.each[i].address.un.sun_path);
}

void asked_close(struct asked *a)
{
	asked_helper_remove(a->env->asked, &a->served);
	stop_listening(a);
	a->served.count = 0;
}

/* ---- front_ops ------------------------------------------------------------------------------ */

bool asked_wanted(const struct front_ops *front_ops, const struct config *config)
{
	return asked_settings(front_ops->row, config)->enabled;
}

bool asked_reconfigure(void *front, const struct config *before)
{
	struct asked *a = front;
	const struct config_asked *now = asked_settings(a->row, a->env->config);

	if (memcmp(asked_settings(a->row, before), now, sizeof(*now)) != 0 ||
	    config_service_index(a->env->config, now->service) != (int)a->service)
		return false;
	asked_helper_changed(a->env->asked, &a->served);
	return true;
}

void asked_poll(void *front, uint64_t now_us, struct load *load)
{
	const struct asked *a = front;

	for (unsigned i = 0; i < a->env->config->services; i++) {
		const struct counts_service *c = &a->counts->service[i];
		struct load_service *l = &load->service[i];

		if (c->offered == 0)
			continue;
		l->offered += c->offered;
		l->admitted += c->admitted;
		l->deferred += c->deferred;
		l->would_defer += c->would_defer;
		l->known |= LOAD_OFFERED;
	}
}

void asked_state(const void *front, struct front_state *ret)
{
	const struct asked *a = front;

	ret->up = asked_helper_is_up(a->env->asked);
	if (!ret->up)
		snprintf(
			ret->why, sizeof(ret->why),
			"its process (penstockd-asks) ended and is started again soon; mail servers that ask meanwhile admit their clients");
}
