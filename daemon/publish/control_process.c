/* The processes that parse the calls of control.sock: the connections, their turns, and the answers
 * that they wait for. They have no privilege, open nothing and decide nothing: control_wire.h. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdpass.h"
#include "base/helper.h"
#include "publish/asker.h"
#include "publish/control_process_parts.h"

#define CLIENTS_MAX 64
#define USER_MAX 8 /* of them for one user; no such limit for root and the group */
/* After so many calls of a client, or new connections, other clients have their turn. */
#define TURN_CALLS 4
#define TURN_TAKEN 32
#define PAUSE_US 10000
/* Parsing the calls of other users may take this share of a CPU, and so much at once. */
#define OTHERS_SHARE 0.05
#define OTHERS_BURST_US 20000
#define OUTPUT_MAX 262144 /* unread answers of a client: above this none of its calls runs */
#define IDLE_S 60
#define WATCHER_BACKLOG 262144 /* unread messages of a watcher: above this it is disconnected */

static void client_free(struct client *c)
{
	*c->previous = c->next;
	if (c->next)
		c->next->previous = c->previous;
	c->process->count--;
	event_free(c->again);
	bufferevent_free(c->stream);
	free(c);
}

static size_t unread(const struct client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->stream));
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* Answers that the bytes were not a call, and closes: nothing behind them can be trusted. */
static void garbage(struct client *c)
{
	const struct varlink_call unread = { 0 };

	control_reply(c, &unread, "org.varlink.service.InvalidParameter",
		      json_pack("{s:s}", "parameter", "not a Varlink call"));
	c->closing = true;
	bufferevent_disable(c->stream, EV_READ);
}

static int64_t allowance(struct control_process *p)
{
	uint64_t now_us = clock_monotonic_us();

	p->allowance_us += (int64_t)(OTHERS_SHARE * (double)(now_us - p->allowed_us));
	if (p->allowance_us > OTHERS_BURST_US)
		p->allowance_us = OTHERS_BURST_US;
	p->allowed_us = now_us;
	return p->allowance_us;
}

/* Whether its next call may run now. */
static bool has_turn(struct client *c)
{
	return c->calls < TURN_CALLS && (c->privileged || allowance(c->process) > 0) &&
	       unread(c) <= OUTPUT_MAX;
}

/* Runs one call, `frame` bytes long. */
static void run(struct client *c, const char *bytes, size_t frame)
{
	struct control_process *p = c->process;
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
		p->allowance_us -= (int64_t)(clock_monotonic_us() - began_us);
}

static void on_read(struct bufferevent *stream, void *context)
{
	static const struct timeval pause = { 0, PAUSE_US };
	struct client *c = context;
	struct evbuffer *input = bufferevent_get_input(stream);

	while (!c->closing && !c->asked && evbuffer_get_length(input)) {
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

static void go_on(struct client *c)
{
	if (c->closing)
		return;
	bufferevent_enable(c->stream, EV_READ);
	on_read(c->stream, c);
}

static void on_again(evutil_socket_t fd, short what, void *context)
{
	struct client *c = context;

	c->calls = 0;
	go_on(c);
}

static void on_written(struct bufferevent *stream, void *context)
{
	struct client *c = context;

	if (c->closing && unread(c) == 0)
		client_free(c);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	client_free(context);
}

/* ---- penstockd's answers -------------------------------------------------------------------- */

static void put_parameters(struct client *c, struct evbuffer *parameters, bool continues)
{
	static const char begin[] = "{\"parameters\":", more[] = ",\"continues\":true}",
			  end[] = "}"; /* with its NUL, the end of a message */

	bufferevent_write(c->stream, begin, sizeof(begin) - 1);
	if (parameters)
		bufferevent_write_buffer(c->stream, parameters);
	else
		bufferevent_write(c->stream, "{}", 2);
	if (continues)
		bufferevent_write(c->stream, more, sizeof(more));
	else
		bufferevent_write(c->stream, end, sizeof(end));
}

static void refused(struct client *c, int r, struct evbuffer *reason)
{
	char text[256] = "";

	if (reason)
		evbuffer_remove(reason, text, sizeof(text) - 1);
	control_refuse(c, c->oneway, r, text);
}

static void on_answered(struct client *c, const struct channel_answer *head, struct evbuffer *text)
{
	bool watches = head->what == CONTROL_CHANGE && c->more && !c->oneway;

	c->asked = 0;
	if (head->result < 0) {
		refused(c, head->result, text);
	} else if (!c->oneway) {
		put_parameters(c, text, watches);
		if (watches) {
			c->watching = true;
			bufferevent_set_timeouts(c->stream, NULL, NULL);
		}
	}
	go_on(c);
}

/* Level, state or mode changed. */
static void tell_watchers(struct control_process *p, struct evbuffer *text)
{
	for (struct client *c = p->clients, *next; c; c = next) {
		struct evbuffer *copy;

		next = c->next;
		if (!c->watching)
			continue;
		if (unread(c) > WATCHER_BACKLOG) {
			client_free(c);
			continue;
		}
		copy = evbuffer_new();
		if (copy && evbuffer_add_buffer_reference(copy, text) == 0)
			put_parameters(c, copy, true);
		if (copy)
			evbuffer_free(copy);
	}
}

static void on_answer(void *context, const struct channel_answer *head, struct evbuffer *text)
{
	struct control_process *p = context;
	struct client *c = p->clients;

	while (c && (!head->id || c->asked != head->id))
		c = c->next;
	if (c)
		on_answered(c, head, text);
	else if (head->id == 0 && head->what == CONTROL_CHANGE && text)
		tell_watchers(p, text);
	if (text)
		evbuffer_free(text);
}

/* ---- connections ---------------------------------------------------------------------------- */

static bool has_place(const struct control_process *p, const struct control_caller *caller)
{
	return p->count < CLIENTS_MAX &&
	       (caller->privileged || control_of_user(p, caller->uid, false) < USER_MAX);
}

static struct client *client_new(struct control_process *p, int fd,
				 const struct control_caller *caller)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->again = evtimer_new(p->base, on_again, c);
	if (c->again)
		c->stream = bufferevent_socket_new(p->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->stream) {
		if (c->again)
			event_free(c->again);
		free(c);
		return NULL;
	}
	c->process = p;
	c->privileged = caller->privileged;
	c->uid = caller->uid;
	c->next = p->clients;
	c->previous = &p->clients;
	if (c->next)
		c->next->previous = &c->next;
	p->clients = c;
	p->count++;
	return c;
}

static void welcome(struct control_process *p, int fd, const struct control_caller *caller)
{
	static const struct timeval idle = { IDLE_S, 0 };
	struct client *c = has_place(p, caller) ? client_new(p, fd, caller) : NULL;

	if (!c) {
		control_turn_away(fd, CONTROL_FULL);
		return;
	}
	bufferevent_setwatermark(c->stream, EV_READ, 0, VARLINK_MESSAGE_MAX + 2);
	bufferevent_set_timeouts(c->stream, &idle, &idle);
	bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
}

/* Takes one connection from the door. False: there is none now. */
static bool take(struct control_process *p)
{
	struct control_caller caller = { 0 };
	struct fdpass passed;
	ssize_t n = fdpass_receive(p->door, &caller, sizeof(caller), MSG_DONTWAIT, &passed);

	if (n <= 0)
		return n == -EINTR;
	if (n == sizeof(caller) && passed.count == 1)
		welcome(p, passed.fds[0], &caller);
	else /* no descriptor was left for it in this process */
		for (unsigned i = 0; i < passed.count; i++)
			close(passed.fds[i]);
	return true;
}

static void on_visitor(evutil_socket_t fd, short what, void *context)
{
	for (int i = 0; i < TURN_TAKEN && take(context); i++)
		;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void control_process_close(struct control_process *p)
{
	while (p->clients)
		client_free(p->clients);
	if (p->visitor)
		event_free(p->visitor);
	asker_close(p->asker);
	close(p->door);
	free(p);
}

int control_process_open(struct event_base *base, int channel, int door,
			 struct control_process **ret_process)
{
	struct control_process *p = calloc(1, sizeof(*p));

	if (!p) {
		close(channel);
		close(door);
		return -ENOMEM;
	}
	p->base = base;
	p->door = door;
	p->allowance_us = OTHERS_BURST_US;
	p->allowed_us = clock_monotonic_us();
	p->visitor = event_new(base, door, EV_READ | EV_PERSIST, on_visitor, p);
	if (asker_open(base, channel, sizeof(struct control_question), on_answer, p, &p->asker) <
		    0 ||
	    !p->visitor || event_add(p->visitor, NULL) < 0) {
		control_process_close(p);
		return -ENOMEM;
	}
	*ret_process = p;
	return 0;
}

int control_process_main(int argc, char **argv)
{
	struct control_process *process;
	struct event_base *base;
	int fds[HELPER_FDS];

	if (helper_begin(argc, argv, CONTROL_ARGUMENT, 2, fds) < 0)
		return EX_USAGE;
	base = event_base_new();
	if (!base || control_process_open(base, fds[0], fds[1], &process) < 0)
		_exit(EX_OSERR);
	asker_begun(process->asker, helper_confine());
	event_base_dispatch(base);
	_exit(EXIT_SUCCESS); /* the kernel frees everything at the end of the process */
}
