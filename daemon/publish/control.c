#include "publish/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "publish/control_parts.h"
#include "publish/json.h"

/* Other users may look, and their places are few, so that root and the group always find one. */
#define CLIENTS_MAX 128
#define OTHERS_MAX 64
#define USER_MAX 8 /* of them for one user */
#define USER_WATCHERS 4
/* The loop has more to do: after so many calls of a client, or accepted connections, others have
 * their turn. */
#define TURN_CALLS 4
#define TURN_ACCEPTS 32
#define PAUSE_US 10000
/* Answers to others take this share of a CPU, and so much at once. */
#define OTHERS_SHARE 0.05
#define OTHERS_BURST_US 20000
#define OUTPUT_MAX 262144 /* answers that a client does not read: it is asked for no more calls */
#define IDLE_S 60
#define WATCHER_BACKLOG 262144 /* a watcher that does not read is let go */
#define BACKLOG 1024 /* those who wait while others have their turn */

static void client_free(struct client *c)
{
	*c->previous = c->next;
	if (c->next)
		c->next->previous = c->previous;
	c->control->count--;
	c->control->others -= !c->privileged;
	event_free(c->again);
	bufferevent_free(c->stream);
	free(c);
}
/* Says that the bytes were no call, and closes when that is written: nothing after them can be
 * trusted. */
static void garbage(struct client *c)
{
	const struct varlink_call nobody = { 0 };

	control_reply(c, &nobody, "org.varlink.service.InvalidParameter",
		      json_pack("{s:s}", "parameter", "not a Varlink call"), false);
	c->closing = true;
	bufferevent_disable(c->stream, EV_READ);
}

static int64_t allowance(struct control *k)
{
	uint64_t now_us = clock_monotonic_us();

	k->allowance_us += (int64_t)(OTHERS_SHARE * (double)(now_us - k->allowed_us));
	if (k->allowance_us > OTHERS_BURST_US)
		k->allowance_us = OTHERS_BURST_US;
	k->allowed_us = now_us;
	return k->allowance_us;
}

/* Whether its next call is run now. */
static bool has_turn(struct client *c)
{
	return c->calls < TURN_CALLS && (c->privileged || allowance(c->control) > 0) &&
	       evbuffer_get_length(bufferevent_get_output(c->stream)) <= OUTPUT_MAX;
}

/* Runs one call, `frame` bytes long. Parsing is part of what it costs: a large call of no method is
 * mostly that. */
static void run(struct client *c, const char *bytes, size_t frame)
{
	struct control *k = c->control;
	uint64_t began_us = clock_monotonic_us();
	struct varlink_call call;

	c->calls++;
	if (varlink_parse_call(bytes, frame, &call) < 0) {
		garbage(c);
	} else {
		control_call(c, &call);
		varlink_call_done(&call);
	}
	if (!c->privileged)
		k->allowance_us -= (int64_t)(clock_monotonic_us() - began_us);
}

static void on_read(struct bufferevent *stream, void *context)
{
	static const struct timeval pause = { 0, PAUSE_US };
	struct client *c = context;
	struct evbuffer *input = bufferevent_get_input(stream);

	while (!c->closing && evbuffer_get_length(input)) {
		size_t length = evbuffer_get_length(input), frame = 0;
		const char *bytes = (const char *)evbuffer_pullup(input, -1);
		int r = bytes ? varlink_frame(bytes, length, VARLINK_MESSAGE_MAX, &frame) : -ENOMEM;

		if (r == 0)
			return;
		if (!has_turn(c)) {
			bufferevent_disable(stream, EV_READ);
			event_add(c->again, &pause);
			return;
		}
		if (r < 0) {
			garbage(c);
			return;
		}
		run(c, bytes, frame);
		evbuffer_drain(input, frame + 1);
	}
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct client *c = context;

	c->calls = 0;
	bufferevent_enable(c->stream, EV_READ);
	on_read(c->stream, c);
}

const struct status *control_picture(struct client *c)
{
	struct control *k = c->control;
	const struct status *s = k->ops->status(k->context);

	if (c->privileged)
		return s;
	status_hide_neighbours(s, &k->shown);
	return &k->shown;
}

static unsigned of_user(const struct control *k, uid_t uid, bool watching)
{
	unsigned count = 0;

	for (const struct client *c = k->clients; c; c = c->next)
		count += c->uid == uid && (!watching || c->watching);
	return count;
}

bool control_may_watch(const struct client *c)
{
	return c->privileged || of_user(c->control, c->uid, true) < USER_WATCHERS;
}

static void on_written(struct bufferevent *stream, void *context)
{
	struct client *c = context;

	if (c->closing && evbuffer_get_length(bufferevent_get_output(stream)) == 0)
		client_free(c);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	client_free(context);
}

static bool in_group(int fd, gid_t primary, gid_t group)
{
	gid_t groups[256];
	socklen_t size = sizeof(groups);

	if (primary == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
		return false;
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool may_change(const struct control *k, int fd, const struct ucred *peer)
{
	return peer->uid == 0 || peer->uid == geteuid() ||
	       (k->group_known && in_group(fd, peer->gid, k->group));
}

static bool has_place(const struct control *k, bool privileged, uid_t uid)
{
	if (k->count >= CLIENTS_MAX)
		return false;
	return privileged || (k->others < OTHERS_MAX && of_user(k, uid, false) < USER_MAX);
}

/* In one write that does not wait: it has no place to wait in. */
static void turn_away(int fd)
{
	static const char text[] =
		"{\"error\":\"io.penstock.Refused\",\"parameters\":{\"reason\":\"too many connections to the control socket\"}}";

	send(fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static struct client *client_new(struct control *k, int fd, bool privileged, uid_t uid)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->again = evtimer_new(k->base, on_again, c);
	if (c->again)
		c->stream = bufferevent_socket_new(k->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->stream) {
		if (c->again)
			event_free(c->again);
		free(c);
		return NULL;
	}
	c->control = k;
	c->privileged = privileged;
	c->uid = uid;
	c->next = k->clients;
	c->previous = &k->clients;
	if (c->next)
		c->next->previous = &c->next;
	k->clients = c;
	k->count++;
	k->others += !privileged;
	return c;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	static const struct timeval idle = { IDLE_S, 0 }, pause = { 0, PAUSE_US };
	struct control *k = context;
	struct ucred peer = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t size = sizeof(peer);
	struct client *c = NULL;
	bool privileged;

	if (++k->accepted >= TURN_ACCEPTS) {
		evconnlistener_disable(listener);
		event_add(k->resume, &pause);
	}
	privileged = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		     may_change(k, fd, &peer);
	if (has_place(k, privileged, peer.uid))
		c = client_new(k, fd, privileged, peer.uid);
	if (!c) {
		turn_away(fd);
		return;
	}
	bufferevent_setwatermark(c->stream, EV_READ, 0, VARLINK_MESSAGE_MAX + 2);
	bufferevent_set_timeouts(c->stream, &idle, &idle);
	bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	struct control *k = context;

	k->accepted = 0;
	evconnlistener_enable(k->listener);
}

void control_publish(struct control *k, const struct engine_view *view)
{
	const struct varlink_call call = { .more = true };
	const struct status *s;

	if (view->level.number == (enum level_number)k->level &&
	    view->state == (enum engine_state)k->state && view->mode == (enum plan_mode)k->mode)
		return;
	s = k->ops->status(k->context);
	k->level = view->level.number;
	k->state = view->state;
	k->mode = view->mode;
	for (struct client *c = k->clients, *next; c; c = next) {
		next = c->next;
		if (!c->watching)
			continue;
		if (evbuffer_get_length(bufferevent_get_output(c->stream)) > WATCHER_BACKLOG)
			client_free(c);
		else
			control_reply(c, &call, NULL, json_pack("{s:o}", "change", json_change(s)),
				      true);
	}
}

static void find_group(struct control *k, const struct config *config)
{
	char buffer[4096];
	struct group entry, *found = NULL;

	if (!config->control_group[0])
		return;
	if (getgrnam_r(config->control_group, &entry, buffer, sizeof(buffer), &found) == 0 &&
	    found) {
		k->group = entry.gr_gid;
		k->group_known = true;
	} else {
		log_debug(
			"there is no group %s: only root may change anything over the control socket",
			config->control_group);
	}
}

int control_open(struct event_base *base, const struct config *config,
		 const struct control_ops *ops, void *context, struct control **ret_control,
		 char *why)
{
	struct endpoint endpoint;
	struct control *k = calloc(1, sizeof(*k));
	char text[CONFIG_PATH_MAX + 32];
	int fd, r;

	if (!k)
		return -ENOMEM;
	/* From a socket unit, where there is one. */
	r = endpoint_parse("systemd:control", &endpoint);
	fd = r < 0 ? r : endpoint_listen(&endpoint, BACKLOG, 0);
	if (fd < 0) {
		snprintf(k->path, sizeof(k->path), "%s/control.sock", config->run_dir);
		snprintf(text, sizeof(text), "unix:%s", k->path);
		r = endpoint_parse(text, &endpoint);
		fd = r < 0 ? r : endpoint_listen(&endpoint, BACKLOG, 0666);
	}
	if (fd < 0) {
		snprintf(why, 160, "cannot listen on %.100s: %s", k->path, strerror(-fd));
		free(k);
		return fd;
	}
	k->base = base;
	k->ops = ops;
	k->context = context;
	k->level = k->state = k->mode = -1;
	k->allowance_us = OTHERS_BURST_US;
	k->allowed_us = clock_monotonic_us();
	find_group(k, config);
	k->resume = evtimer_new(base, on_resume, k);
	k->listener = evconnlistener_new(base, on_accept, k,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!k->listener || !k->resume) {
		if (k->listener)
			evconnlistener_free(k->listener);
		else
			close(fd);
		if (k->resume)
			event_free(k->resume);
		free(k);
		return -ENOMEM;
	}
	*ret_control = k;
	return 0;
}

void control_close(struct control *k)
{
	if (!k)
		return;
	while (k->clients)
		client_free(k->clients);
	evconnlistener_free(k->listener);
	event_free(k->resume);
	if (k->path[0])
		unlink(k->path);
	free(k);
}
