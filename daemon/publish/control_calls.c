/* What may be called over the control socket: parameters, answers, and who may. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "publish/control_parts.h"
#include "publish/history_tell.h"
#include "publish/json.h"
#include "publish/json_sources.h"

#define EXPLAIN_MAX 32768
#define HISTORY_MAX 720 /* records in one answer */
#define SOURCES_DEFAULT 100
#define SOURCES_LISTED 1000 /* at most in one answer */

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
	"# What happened in [since_s, until_s) (seconds of the epoch; the last hour), a record for each step_s seconds; at most 720.\n"
	"method History(since_s: ?int, until_s: ?int, step_s: ?int) -> (history: object)\n\n"
	"# Sources known by name, in order of rate (default), age of their wait or attempts; at most limit (100).\n"
	"method Sources(sort: ?(rate, age, attempts), limit: ?int) -> (sources: []object)\n\n"
	"# Root, the daemon's user or the group of control.group may; the caller may not.\n"
	"error PermissionDenied(reason: string)\n\n"
	"# The daemon would not: why.\n"
	"error Refused(reason: string)\n";

void control_reply(struct client *c, const struct varlink_call *call, const char *error,
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
		control_reply(c, call, NULL, NULL, false);
	else
		control_reply(c, call, "io.penstock.Refused",
			      json_pack("{s:s}", "reason", why[0] ? why : strerror(-r)), false);
}

static void invalid(struct client *c, const struct varlink_call *call, const char *parameter)
{
	control_reply(c, call, "org.varlink.service.InvalidParameter",
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

static void get_info(struct client *c, const struct varlink_call *call)
{
	control_reply(c, call, NULL,
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
		control_reply(c, call, NULL, json_pack("{s:s}", "description", description), false);
	else if (strcmp(name, "org.varlink.service") == 0)
		control_reply(c, call, NULL, json_pack("{s:s}", "description", service_description),
			      false);
	else
		control_reply(c, call, "org.varlink.service.InterfaceNotFound",
			      json_pack("{s:s}", "interface", name), false);
}

static void status(struct client *c, const struct varlink_call *call)
{
	control_reply(c, call, NULL, json_pack("{s:o}", "status", json_status(control_picture(c))),
		      false);
}

static void watch(struct client *c, const struct varlink_call *call)
{
	if (call->more && !c->watching && !control_may_watch(c)) {
		reply_result(c, call, -EBUSY,
			     "this user watches on as many connections as one may");
		return;
	}
	control_reply(c, call, NULL, json_pack("{s:o}", "change", json_change(control_picture(c))),
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
	control_reply(c, call, NULL, json_pack("{s:s#}", "text", buffer, (int)text.length), false);
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
		sort = json_source_sort(name);
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
	control_reply(
		c, call, NULL,
		json_pack("{s:o}", "sources", json_source_list(control_picture(c), list, count)),
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

/* `value` stays where there is no such key. Answers itself, and returns false, where it is none. */
static bool get_count(struct client *c, const struct varlink_call *call, const char *key,
		      uint64_t *value)
{
	const json_t *given = json_object_get(call->parameters, key);

	if (!given || json_is_null(given))
		return true;
	if (!json_is_integer(given) || json_integer_value(given) <= 0) {
		invalid(c, call, key);
		return false;
	}
	*value = (uint64_t)json_integer_value(given);
	return true;
}

static void history(struct client *c, const struct varlink_call *call)
{
	uint64_t next_s = clock_realtime_us() / US_PER_S + 1, until_s = next_s,
		 since_s = next_s - 3600, step_s = 10;
	_cleanup_free_ struct history_record *records = calloc(HISTORY_MAX, sizeof(*records));
	size_t count;

	if (!get_count(c, call, "since_s", &since_s) || !get_count(c, call, "until_s", &until_s) ||
	    !get_count(c, call, "step_s", &step_s))
		return;
	if (until_s > next_s)
		until_s = next_s;
	if (since_s >= until_s) {
		invalid(c, call, "since_s");
		return;
	}
	if (step_s > 86400) {
		invalid(c, call, "step_s");
		return;
	}
	if (!records) {
		reply_result(c, call, -ENOMEM, "out of memory");
		return;
	}
	count = c->control->ops->history(c->control->context, since_s, until_s, (uint32_t)step_s,
					 records, HISTORY_MAX);
	control_reply(c, call, NULL,
		      json_pack("{s:o}", "history", history_json(records, count, c->privileged)),
		      false);
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
/* For the test of the watchdog only, in a build of its own: a callback that never comes back,
 * outside the tick. */
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
	{ "io.penstock.History", false, history },
	{ "io.penstock.Sources", true, sources },
	{ "io.penstock.Drain", true, drain },
	{ "io.penstock.Resume", true, resume },
	{ "io.penstock.SetMode", true, set_mode },
	{ "io.penstock.Reload", true, reload },
#ifdef PENSTOCK_PLANTED_SPIN
	{ "io.penstock.test.Spin", true, spin },
#endif
};

void control_call(struct client *c, const struct varlink_call *call)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (strcmp(methods[i].method, call->method) != 0)
			continue;
		if (methods[i].privileged && !c->privileged)
			control_reply(
				c, call, "io.penstock.PermissionDenied",
				json_pack("{s:s}", "reason",
					  "only root and the group of control.group may do this"),
				false);
		else
			methods[i].call(c, call);
		return;
	}
	control_reply(c, call, "org.varlink.service.MethodNotFound",
		      json_pack("{s:s}", "method", call->method), false);
}
