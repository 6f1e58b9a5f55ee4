/* The methods of the control socket: their parameters, who may call them, and the question to
 * penstockd. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "publish/control_process_parts.h"
#include "publish/json_sources.h"

#define SOURCES_DEFAULT 100

static const char description[] =
	"# penstock keeps a mail server answering under load.\n"
	"interface io.penstock\n\n"
	"# The whole status: the keys are those of penstockctl status --json.\n"
	"method Status() -> (status: object)\n\n"
	"# Level, state and driver: at once, then (with more) at every change.\n"
	"method Watch() -> (change: object)\n\n"
	"# The chain from signal to reply in words, for the host or a source.\n"
	"method Explain(address: ?string) -> (text: string)\n\n"
	"# Defer every new connection, for some seconds or until Resume. This and the other orders are answered when they are in force.\n"
	"method Drain(for_s: ?int, reason: ?string) -> ()\n\n"
	"# End a drain.\n"
	"method Resume() -> ()\n\n"
	"method SetMode(mode: (enforce, observe)) -> ()\n\n"
	"# Read the configuration again.\n"
	"method Reload() -> ()\n\n"
	"# What happened in [since_s, until_s) (seconds of the epoch; the last hour), a record for each step_s seconds; at most 720.\n"
	"method History(since_s: ?int, until_s: ?int, step_s: ?int) -> (history: object)\n\n"
	"# Sources known by name, in order of rate (default), age of their wait or attempts; at most limit (100).\n"
	"method Sources(sort: ?(rate, age, attempts), limit: ?int) -> (sources: []object)\n\n"
	"# Root, the daemon's user or the group of control.group may; the caller may not.\n"
	"error PermissionDenied(reason: string)\n\n"
	"# The daemon would not: why.\n"
	"error Refused(reason: string)\n";

static void invalid(struct client *c, const struct varlink_call *call, const char *parameter)
{
	control_reply(c, call, "org.varlink.service.InvalidParameter",
		      json_pack("{s:s}", "parameter", parameter));
}

/* Gets an optional string or integer parameter. False: it has the wrong type (answered already). */
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
				"org.varlink.service", "io.penstock"));
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
		control_reply(c, call, NULL, json_pack("{s:s}", "description", description));
	else if (strcmp(name, "org.varlink.service") == 0)
		control_reply(c, call, NULL,
			      json_pack("{s:s}", "description", service_description));
	else
		control_reply(c, call, "org.varlink.service.InterfaceNotFound",
			      json_pack("{s:s}", "interface", name));
}

/* Asks penstockd a question without parameters. */
static void ask(struct client *c, const struct varlink_call *call, enum control_what what)
{
	struct control_question q = { .head.what = what };

	control_ask(c, call, &q);
}

static void status(struct client *c, const struct varlink_call *call)
{
	ask(c, call, CONTROL_STATUS);
}

static void watch(struct client *c, const struct varlink_call *call)
{
	if (call->more && !c->watching && !control_may_watch(c))
		control_refuse(c, call->oneway, -EBUSY,
			       "this user watches on as many connections as one may");
	else
		ask(c, call, CONTROL_CHANGE);
}

static void explain(struct client *c, const struct varlink_call *call)
{
	struct control_question q = { .head.what = CONTROL_EXPLAIN };
	const char *address;

	if (!get_string(c, call, "address", &address))
		return;
	q.explain.known = address != NULL;
	if (address && address_parse(address, &q.explain.address) < 0)
		invalid(c, call, "address");
	else
		control_ask(c, call, &q);
}

/* Gets an optional integer from 1 to `most`. Without such a key `value` stays. False: it is
 * something else (answered already). */
static bool get_count(struct client *c, const struct varlink_call *call, const char *key,
		      uint64_t most, uint64_t *value)
{
	const json_t *given = json_object_get(call->parameters, key);

	if (!given || json_is_null(given))
		return true;
	if (!json_is_integer(given) || json_integer_value(given) <= 0 ||
	    (uint64_t)json_integer_value(given) > most) {
		invalid(c, call, key);
		return false;
	}
	*value = (uint64_t)json_integer_value(given);
	return true;
}

static void sources(struct client *c, const struct varlink_call *call)
{
	struct control_question q = { .head.what = CONTROL_SOURCES };
	uint64_t most = SOURCES_DEFAULT;
	const char *name;
	int sort = SOURCE_BY_RATE;

	if (!get_string(c, call, "sort", &name))
		return;
	if (name)
		sort = json_source_sort(name);
	if (sort < 0) {
		invalid(c, call, "sort");
		return;
	}
	if (!get_count(c, call, "limit", CONTROL_SOURCES_MAX, &most))
		return;
	q.sources.sort = (uint32_t)sort;
	q.sources.most = (uint32_t)most;
	control_ask(c, call, &q);
}

/* Copies as much as fits, and never a part of a character (RFC 3629: continuation bytes are
 * 10xxxxxx). */
static void copy_reason(char *to, const char *reason)
{
	size_t n = strlen(reason);

	if (n >= CONTROL_REASON_MAX) {
		n = CONTROL_REASON_MAX - 1;
		while (n && ((unsigned char)reason[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, reason, n);
}

static void drain(struct client *c, const struct varlink_call *call)
{
	struct control_question q = { .head.what = CONTROL_DRAIN };
	const char *reason;

	if (!get_string(c, call, "reason", &reason) ||
	    !get_count(c, call, "for_s", CONTROL_DRAIN_MAX_S, &q.drain.for_s))
		return;
	if (reason)
		copy_reason(q.drain.reason, reason);
	control_ask(c, call, &q);
}

static void resume(struct client *c, const struct varlink_call *call)
{
	ask(c, call, CONTROL_RESUME);
}

static void history(struct client *c, const struct varlink_call *call)
{
	struct control_question q = { .head.what = CONTROL_HISTORY };
	uint64_t next_s = clock_realtime_us() / US_PER_S + 1, until_s = next_s,
		 since_s = next_s - 3600, step_s = 10;

	if (!get_count(c, call, "since_s", INT64_MAX, &since_s) ||
	    !get_count(c, call, "until_s", INT64_MAX, &until_s) ||
	    !get_count(c, call, "step_s", CONTROL_STEP_MAX_S, &step_s))
		return;
	if (until_s > next_s)
		until_s = next_s;
	if (since_s >= until_s) {
		invalid(c, call, "since_s");
		return;
	}
	q.history.since_s = since_s;
	q.history.until_s = until_s;
	q.history.step_s = (uint32_t)step_s;
	control_ask(c, call, &q);
}

static void set_mode(struct client *c, const struct varlink_call *call)
{
	struct control_question q = { .head.what = CONTROL_MODE };
	const char *mode;

	if (!get_string(c, call, "mode", &mode))
		return;
	if (mode && strcmp(mode, "enforce") == 0) {
		q.mode = PLAN_ENFORCE;
	} else if (mode && strcmp(mode, "observe") == 0) {
		q.mode = PLAN_OBSERVE;
	} else {
		invalid(c, call, "mode");
		return;
	}
	control_ask(c, call, &q);
}

static void reload(struct client *c, const struct varlink_call *call)
{
	ask(c, call, CONTROL_RELOAD);
}

#ifdef PENSTOCK_PLANTED_SPIN
static void spin(struct client *c, const struct varlink_call *call)
{
	ask(c, call, CONTROL_SPIN);
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
					  "only root and the group of control.group may do this"));
		else
			methods[i].call(c, call);
		return;
	}
	control_reply(c, call, "org.varlink.service.MethodNotFound",
		      json_pack("{s:s}", "method", call->method));
}
