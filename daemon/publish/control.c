#include "publish/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <grp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "publish/json.h"
#include "publish/varlink.h"

#define CLIENTS_MAX 64
#define IDLE_S 60
#define WATCHER_BACKLOG 262144 /* a watcher that does not read is let go */
#define EXPLAIN_MAX 32768
#define SOURCES_DEFAULT 100
#define BACKLOG 256

static const char description[] =
	"# penstock keeps a mail server answering under load.\n"
	"interface io.penstock\n\n"
	"# The whole status: the keys are those of penstockctl status --json.\n"
	"method Status() -> (status: object)\n\n"
	"# Level, state and driver: at once, then (with more) at every change.\n"
	"method Watch() -> (change: object)\n\n"
	"# The chain from signal to reply in words, for the host or a source.\n"
	"method Explain(address: ?string) -> (text: string)\n\n"
	"# Defer every new connection, for some seconds or until Resume.\n"
	"method Drain(for_s: ?int, reason: ?string) -> ()\n\n"
	"# End a drain.\n"
	"method Resume() -> ()\n\n"
	"method SetMode(mode: (enforce, observe)) -> ()\n\n"
	"# Read the configuration again; answers when it is in force or refused.\n"
	"method Reload() -> ()\n\n"
	"# Sources known by name, in order of rate (default), age of their wait or attempts; at most limit (100).\n"
	"method Sources(sort: ?(rate, age, attempts), limit: ?int) -> (sources: []object)\n\n"
	"# Root, the daemon's user or the group of control.group may; the caller may not.\n"
	"error PermissionDenied(reason: string)\n\n"
	"# The daemon would not: why.\n"
	"error Refused(reason: string)\n";

struct client {
	struct control *control;
	struct client *next, **previous;
	struct bufferevent *stream;
	bool privileged, watching, closing;
};

struct control {
	struct event_base *base;
	struct evconnlistener *listener;
	const struct control_ops *ops;
	void *context;
	char path[CONFIG_PATH_MAX + 16]; /* empty: a socket unit's, not ours to remove */
	gid_t group;
	bool group_known;
	struct client *clients;
	unsigned count;
	int level, state, mode; /* last told to watchers */
};

static void client_free(struct client *c)
{
	*c->previous = c->next;
	if (c->next)
		c->next->previous = c->previous;
	c->control->count--;
	bufferevent_free(c->stream);
	free(c);
}

/* ---- replies ---------------------------------------------------------------------------------------------------- */

/* Steals `parameters`. */
static void reply(struct client *c, const struct varlink_call *call, const char *error,
		  json_t *parameters, bool continues)
{
	char *text;

	if (call->oneway) {
		json_decref(parameters);
		return;
	}
	text = varlink_reply(error, parameters, continues);
	if (text)
		bufferevent_write(c->stream, text, strlen(text) + 1);
	free(text);
}

static void reply_result(struct client *c, const struct varlink_call *call, int r, const char *why)
{
	if (r == 0)
		reply(c, call, NULL, NULL, false);
	else
		reply(c, call, "io.penstock.Refused",
		      json_pack("{s:s}", "reason", why[0] ? why : strerror(-r)), false);
}

static void invalid(struct client *c, const struct varlink_call *call, const char *parameter)
{
	reply(c, call, "org.varlink.service.InvalidParameter",
	      json_pack("{s:s}", "parameter", parameter), false);
}

/* An optional string or integer parameter; false: of the wrong type (answered already). */
static bool get_string(struct client *c, const struct varlink_call *call, const char *key,
		       const char **ret)
{
	const json_t *value = json_object_get(call->parameters, key);

	*ret = json_string_value(value);
	if (value && !json_is_null(value) && !*ret) {
		invalid(c, call, key);
		return false;
	}
	return true;
}

/* ---- methods ---------------------------------------------------------------------------------------------------- */

static void get_info(struct client *c, const struct varlink_call *call)
{
	reply(c, call, NULL,
	      json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "penstock", "product",
			"penstockd", "version", PENSTOCK_VERSION, "url", "", "interfaces",
			"org.varlink.service", "io.penstock"),
	      false);
}

static const char service_description[] =
	"interface org.varlink.service\n\n"
	"method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)\n\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
	"error InterfaceNotFound (interface: string)\n\n"
	"error MethodNotFound (method: string)\n\n"
	"error MethodNotImplemented (method: string)\n\n"
	"error InvalidParameter (parameter: string)\n";

static void get_description(struct client *c, const struct varlink_call *call)
{
	const char *name = json_string_value(json_object_get(call->parameters, "interface"));

	if (!name)
		invalid(c, call, "interface");
	else if (strcmp(name, "io.penstock") == 0)
		reply(c, call, NULL, json_pack("{s:s}", "description", description), false);
	else if (strcmp(name, "org.varlink.service") == 0)
		reply(c, call, NULL, json_pack("{s:s}", "description", service_description), false);
	else
		reply(c, call, "org.varlink.service.InterfaceNotFound",
		      json_pack("{s:s}", "interface", name), false);
}

static void status(struct client *c, const struct varlink_call *call)
{
	struct control *k = c->control;

	reply(c, call, NULL, json_pack("{s:o}", "status", json_status(k->ops->status(k->context))),
	      false);
}

static void watch(struct client *c, const struct varlink_call *call)
{
	struct control *k = c->control;

	reply(c, call, NULL, json_pack("{s:o}", "change", json_change(k->ops->status(k->context))),
	      call->more);
	if (call->more && !call->oneway) {
		c->watching = true;
		bufferevent_set_timeouts(c->stream, NULL, NULL);
	}
}

static void explain(struct client *c, const struct varlink_call *call)
{
	struct control *k = c->control;
	const char *address;
	char *buffer;
	struct text text;

	if (!get_string(c, call, "address", &address))
		return;
	buffer = malloc(EXPLAIN_MAX);
	if (!buffer) {
		reply_result(c, call, -ENOMEM, "");
		return;
	}
	text = (struct text){ .data = buffer, .size = EXPLAIN_MAX };
	k->ops->explain(k->context, address, c->privileged, &text);
	reply(c, call, NULL, json_pack("{s:s#}", "text", buffer, (int)text.length), false);
	free(buffer);
}

static void sources(struct client *c, const struct varlink_call *call)
{
	struct control *k = c->control;
	const json_t *limit = json_object_get(call->parameters, "limit");
	json_int_t most = json_is_integer(limit) ? json_integer_value(limit) : SOURCES_DEFAULT;
	struct source_picture *list;
	const char *name;
	int sort = SOURCE_BY_RATE;
	unsigned count;

	if (!get_string(c, call, "sort", &name))
		return;
	if (name)
		sort = sources_sort(name);
	if (sort < 0) {
		invalid(c, call, "sort");
		return;
	}
	if ((limit && !json_is_null(limit) && !json_is_integer(limit)) || most < 1 ||
	    most > SOURCES_LISTED) {
		invalid(c, call, "limit");
		return;
	}
	list = calloc((size_t)most, sizeof(*list));
	if (!list) {
		reply_result(c, call, -ENOMEM, "");
		return;
	}
	count = k->ops->sources(k->context, (enum source_sort)sort, list, (unsigned)most);
	reply(c, call, NULL,
	      json_pack("{s:o}", "sources",
			sources_list_json(k->ops->status(k->context), list, count)),
	      false);
	free(list);
}

static void drain(struct client *c, const struct varlink_call *call)
{
	struct control *k = c->control;
	const json_t *seconds = json_object_get(call->parameters, "for_s");
	const char *reason;
	char why[256] = "";
	json_int_t value = 0;
	int r;

	if (!get_string(c, call, "reason", &reason))
		return;
	if (seconds && !json_is_null(seconds)) {
		value = json_integer_value(seconds);
		if (!json_is_integer(seconds) || value <= 0 || value > 31 * 86400) {
			invalid(c, call, "for_s");
			return;
		}
	}
	r = k->ops->drain(k->context, (uint64_t)value * US_PER_S, reason, why);
	reply_result(c, call, r, why);
}

static void resume(struct client *c, const struct varlink_call *call)
{
	char why[256] = "";
	int r = c->control->ops->resume(c->control->context, why);

	reply_result(c, call, r, why);
}

static void set_mode(struct client *c, const struct varlink_call *call)
{
	const char *mode;
	char why[256] = "";
	enum plan_mode value;
	int r;

	if (!get_string(c, call, "mode", &mode))
		return;
	if (mode && strcmp(mode, "enforce") == 0) {
		value = PLAN_ENFORCE;
	} else if (mode && strcmp(mode, "observe") == 0) {
		value = PLAN_OBSERVE;
	} else {
		invalid(c, call, "mode");
		return;
	}
	r = c->control->ops->set_mode(c->control->context, value, why);
	reply_result(c, call, r, why);
}

static void reload(struct client *c, const struct varlink_call *call)
{
	char why[256] = "";
	int r = c->control->ops->reload(c->control->context, why);

	reply_result(c, call, r, why);
}

#ifdef PENSTOCK_PLANTED_SPIN
/* For the test of the watchdog only, in a build of its own: a callback that never comes back, outside the tick. */
static void spin(struct client *c, const struct varlink_call *call)
{
	for (;;)
		__asm__ volatile("");
}
#endif

static const struct {
	const char *method;
	bool privileged;
	void (*call)(struct client *client, const struct varlink_call *call);
} methods[] = {
	{ "org.varlink.service.GetInfo", false, get_info },
	{ "org.varlink.service.GetInterfaceDescription", false, get_description },
	{ "io.penstock.Status", false, status },
	{ "io.penstock.Watch", false, watch },
	{ "io.penstock.Explain", false, explain },
	{ "io.penstock.Sources", true, sources },
	{ "io.penstock.Drain", true, drain },
	{ "io.penstock.Resume", true, resume },
	{ "io.penstock.SetMode", true, set_mode },
	{ "io.penstock.Reload", true, reload },
#ifdef PENSTOCK_PLANTED_SPIN
	{ "io.penstock.test.Spin", true, spin },
#endif
};

static void dispatch(struct client *c, const struct varlink_call *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(methods[i].method, call->method) != 0)
			continue;
		if (methods[i].privileged && !c->privileged)
			reply(c, call, "io.penstock.PermissionDenied",
			      json_pack("{s:s}", "reason",
					"only root and the group of control.group may do this"),
			      false);
		else
			methods[i].call(c, call);
		return;
	}
	reply(c, call, "org.varlink.service.MethodNotFound",
	      json_pack("{s:s}", "method", call->method), false);
}

/* ---- the socket ------------------------------------------------------------------------------------------------- */

/* Says that the bytes were no call, and closes when that is written: nothing after them can be trusted. */
static void garbage(struct client *c)
{
	const struct varlink_call nobody = { 0 };

	reply(c, &nobody, "org.varlink.service.InvalidParameter",
	      json_pack("{s:s}", "parameter", "not a Varlink call"), false);
	c->closing = true;
	bufferevent_disable(c->stream, EV_READ);
}

static void on_read(struct bufferevent *stream, void *context)
{
	struct client *c = context;
	struct evbuffer *input = bufferevent_get_input(stream);

	while (!c->closing && evbuffer_get_length(input)) {
		struct varlink_call call;
		size_t length = evbuffer_get_length(input), frame = 0;
		const char *bytes = (const char *)evbuffer_pullup(input, -1);
		int r = bytes ? varlink_frame(bytes, length, VARLINK_MESSAGE_MAX, &frame) : -ENOMEM;

		if (r == 0)
			return;
		if (r < 0 || varlink_parse_call(bytes, frame, &call) < 0) {
			garbage(c);
			return;
		}
		dispatch(c, &call);
		varlink_call_done(&call);
		evbuffer_drain(input, frame + 1);
	}
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

static bool may_change(const struct control *k, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() ||
	       (k->group_known && in_group(fd, peer.gid, k->group));
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	static const struct timeval idle = { IDLE_S, 0 };
	struct control *k = context;
	struct client *c = k->count < CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (c)
		c->stream = bufferevent_socket_new(k->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->stream) {
		free(c);
		close(fd);
		return;
	}
	c->control = k;
	c->privileged = may_change(k, fd);
	c->next = k->clients;
	c->previous = &k->clients;
	if (c->next)
		c->next->previous = &c->next;
	k->clients = c;
	k->count++;
	bufferevent_setwatermark(c->stream, EV_READ, 0, VARLINK_MESSAGE_MAX + 2);
	bufferevent_set_timeouts(c->stream, &idle, &idle);
	bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
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
			reply(c, &call, NULL, json_pack("{s:o}", "change", json_change(s)), true);
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
	find_group(k, config);
	k->listener = evconnlistener_new(base, on_accept, k,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!k->listener) {
		close(fd);
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
	if (k->path[0])
		unlink(k->path);
	free(k);
}
