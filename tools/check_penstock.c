/* check_penstock: one look at penstockd for a monitoring system (the plugin guidelines of Nagios, Icinga, Naemon): one line, perfdata
 * behind a bar, exit code 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/text.h"
#include "penstockctl/call.h"

#define TIMEOUT_S 10
#define LEVELS 4

enum { OK, WARNING, CRITICAL, UNKNOWN };
static const char *const names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

static const char usage[] =
	"Usage: check_penstock [--run-dir DIR] [-w LEVEL] [-c LEVEL] [-t SECONDS]\n"
	"\n"
	"  -w LEVEL   WARNING from this level on (0 normal, 1 elevated, 2 shedding, 3 severe, 4 critical; default 2)\n"
	"  -c LEVEL   CRITICAL from this level on (default 4)\n"
	"  -t SECONDS longest wait for penstockd (default 10)\n"
	"  --run-dir DIR, --help, --version\n"
	"\n"
	"CRITICAL too: penstockd does not answer (mail flows unguarded), it is blind. WARNING too: a front that is configured is\n"
	"down, the machine is drained, the last reload was refused.\n";

struct options {
	const char *run_dir;
	uint64_t warning, critical, timeout_s;
};

struct judgement {
	int status;
	char buffer[1024];
	struct text text; /* what is wrong, for people */
};

static void judge(struct judgement *j, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void judge(struct judgement *j, int status, const char *format, ...)
{
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (status > j->status)
		j->status = status;
	text_append(&j->text, ", ");
	/* A bar would begin the perfdata. */
	for (char *c = line; *c; c++)
		if (*c == '|' || *c == '\n')
			*c = ' ';
	text_append_clean(&j->text, line, strlen(line));
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

static const char *string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "?";
}

static void judge_status(struct judgement *j, const struct options *o, const json_t *status)
{
	const json_t *front, *driver = json_object_get(status, "driver");
	const char *name, *state = string(status, "state");
	double level = number(status, "level");

	if (level >= (double)o->critical)
		j->status = CRITICAL;
	else if (level >= (double)o->warning)
		j->status = WARNING;
	if (json_is_object(driver) && level >= 1)
		judge(j, OK, "driven by %s (%s)", string(driver, "resource"),
		      string(driver, "signal"));
	if (strcmp(state, "blind") == 0)
		judge(j, CRITICAL, "blind: no sensor works and everything is admitted");
	else if (strcmp(state, "serving") != 0)
		judge(j, WARNING, "%s", state);
	json_object_foreach(json_object_get(json_object_get(status, "decisions"), "by_front"), name,
			    front) if (json_is_false(json_object_get(front, "up")))
		judge(j, WARNING, "front %s is down (%s)", name, string(front, "reason"));
	if (json_is_false(
		    json_object_get(json_object_get(status, "config"), "last_reload_successful")))
		judge(j, WARNING, "the last reload was refused");
}

static void print_perfdata(const struct options *o, const json_t *status)
{
	const json_t *decisions = json_object_get(status, "decisions");
	double pressure = number(status, "pressure"), window = number(status, "window");
	double in_flight = number(status, "in_flight");

	printf(" | level=%.0f;%llu;%llu;0;%d", number(status, "level"),
	       (unsigned long long)o->warning, (unsigned long long)o->critical, LEVELS);
	if (pressure >= 0)
		printf(" pressure=%.3f", pressure);
	if (window >= 0)
		printf(" window=%.0f;;;0", window);
	if (in_flight >= 0)
		printf(" in_flight=%.0f;;;0", in_flight);
	printf(" admit_ratio=%.1f%%;;;0;100 admitted=%.0fc deferred=%.0fc\n",
	       number(status, "admit_ratio") * 100, number(decisions, "admitted"),
	       number(decisions, "deferred"));
}

static int report(const struct options *o, const json_t *status)
{
	struct judgement j = { .status = OK };

	j.text = TEXT_OF(j.buffer);
	if (!json_is_object(status) || number(status, "level") < 0) {
		printf("PENSTOCK UNKNOWN - penstockd's answer cannot be read\n");
		return UNKNOWN;
	}
	judge_status(&j, o, status);
	printf("PENSTOCK %s - %s, %s%s", names[j.status], string(status, "level_name"),
	       string(status, "mode"), j.buffer);
	print_perfdata(o, status);
	return j.status;
}

static int look(const struct options *o)
{
	struct call call;
	json_t *message = NULL, *answer = NULL;
	const char *error = NULL;
	int r = call_open(o->run_dir, &call);

	if (r == 0) {
		r = call_send(&call, "io.penstock.Status", NULL, false);
		if (r == 0)
			r = call_receive(&call, (int)o->timeout_s * 1000, &message, &error,
					 &answer);
		call_close(&call);
	}
	if (r < 0) {
		printf("PENSTOCK %s - penstockd does not answer: %s; mail flows, unguarded\n",
		       names[r == -EACCES ? UNKNOWN : CRITICAL], strerror(-r));
		return r == -EACCES ? UNKNOWN : CRITICAL;
	}
	r = error ? UNKNOWN : report(o, json_object_get(answer, "status"));
	if (error)
		printf("PENSTOCK UNKNOWN - penstockd says %s\n", error);
	json_decref(message);
	return r;
}

static int take(const char *text, uint64_t most, uint64_t *ret)
{
	return parse_u64(text, ret) == 0 && *ret <= most ? 0 : -1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "run-dir", required_argument, NULL, 'd' },
					       { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	struct options o = {
		.run_dir = "/run/penstock", .warning = 2, .critical = 4, .timeout_s = TIMEOUT_S
	};
	int option, r = 0;

	while ((option = getopt_long(argc, argv, "w:c:t:hV", longs, NULL)) >= 0 && r == 0) {
		switch (option) {
		case 'd':
			o.run_dir = optarg;
			break;
		case 'w':
			r = take(optarg, LEVELS + 1, &o.warning);
			break;
		case 'c':
			r = take(optarg, LEVELS + 1, &o.critical);
			break;
		case 't':
			r = take(optarg, 3600, &o.timeout_s);
			break;
		case 'h':
			fputs(usage, stdout);
			return OK;
		case 'V':
			puts("check_penstock " PENSTOCK_VERSION);
			return OK;
		default:
			r = -1;
		}
	}
	if (r < 0 || optind != argc) {
		printf("PENSTOCK UNKNOWN - wrong use: check_penstock --help tells how\n");
		return UNKNOWN;
	}
	return look(&o);
}
