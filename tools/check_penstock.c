/* check_penstock: asks penstockd once, for a monitoring system. It follows the Monitoring Plugins
 * Development Guidelines: one line with perfdata after a bar (more lines with -v), exit code 0 OK,
 * 1 WARNING, 2 CRITICAL, 3 UNKNOWN, and nothing on stderr. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/output.h"
#include "base/parse.h"
#include "base/range.h"
#include "base/text.h"
#include "penstockctl/call.h"
#include "penstockctl/field.h"
#include "publish/words.h"

#define TIMEOUT_S 10
#define LEVELS 4
#define SAID_RATIO 0.001 /* a smaller share would be shown as "0.0 %" */
#define REFUSED_CRITICAL 0.05 /* of the connections, as in the alert PenstockFrontRefuses */

enum { OK, WARNING, CRITICAL, UNKNOWN };
static const char *const names[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };

static const char usage[] =
	"Usage: check_penstock [OPTION]...\n"
	"\n"
	"Ranges are those of the plugin guidelines: 10 alerts below 0 or above 10, 10: below 10, @10:20 inside of 10 to 20.\n"
	"  -w, --warning RANGE            of the level: 0 normal, 1 elevated, 2 shedding, 3 severe, 4 critical (default 1: from shedding on)\n"
	"  -c, --critical RANGE           of the level (default 3: at critical)\n"
	"      --warning-deferred RANGE   of the share of connections that is deferred, in % (default: none)\n"
	"      --critical-deferred RANGE\n"
	"      --warning-wait RANGE       of the longest wait of a deferred sender, in seconds (default: none)\n"
	"      --critical-wait RANGE\n"
	"      --warning-exhaustion RANGE of the time until memory, the queue's space or its inodes run out, in seconds (default: none)\n"
	"      --critical-exhaustion RANGE\n"
	"  -t, --timeout SECONDS          longest wait for penstockd (default 10)\n"
	"  -v, --verbose                  more lines: resources and fronts; -vv: sensors, too\n"
	"      --run-dir DIR, -h, --help, -V, --version\n"
	"\n"
	"Also CRITICAL: penstockd does not answer (mail flows unguarded), or is blind; a configured front is down; a front\n"
	"refused more than 5 % of the clients by itself in the last seconds (the mail server cannot be reached, or the front\n"
	"is full), in observe mode, too. Also WARNING: a front refused fewer; the machine is drained or in maintenance; the\n"
	"last reload was refused.\n"
	"\n"
	"Example: check_penstock -w 1 -c 3 --warning-deferred 5 --critical-deferred 50 --critical-wait 14400\n"
	"         --critical-exhaustion 7200:\n";

/* The figures that are compared with ranges. */
enum measure { LEVEL, DEFERRED, WAIT, EXHAUSTION, MEASURES };

struct options {
	const char *run_dir;
	struct range warning[MEASURES], critical[MEASURES];
	uint64_t timeout_s;
	int verbose;
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

/* The shortest time until something runs out at its present trend, s; -1: nothing does. */
static double exhaustion(const json_t *status)
{
	static const char *const signals[][2] = { { "memory", "mem_exhaustion_s" },
						  { "disk", "spool_exhaustion_s" },
						  { "disk", "spool_inodes_exhaustion_s" } };
	const json_t *resources = json_object_get(status, "resources");
	double least = -1;

	for (int i = 0; i < 3; i++) {
		const json_t *all =
			json_object_get(json_object_get(resources, signals[i][0]), "signals");
		double left_s = number(json_object_get(all, signals[i][1]), "value");

		if (left_s >= 0 && (least < 0 || left_s < least))
			least = left_s;
	}
	return least;
}

/* -1: unknown. */
static double measure(const json_t *status, enum measure what)
{
	double deferred;

	if (what == LEVEL)
		return number(status, "level");
	if (what == DEFERRED) {
		/* Not 1 - admit_ratio: in observe mode that is 0, though fronts may refuse. */
		deferred = number(json_object_get(status, "headline"), "deferred_ratio");
		return deferred < 0 ? -1 : deferred * 100;
	}
	if (what == EXHAUSTION)
		return exhaustion(status);
	return number(json_object_get(status, "sources"), "oldest_deferral_s");
}

static void judge_measures(struct judgement *j, const struct options *o, const json_t *status)
{
	static const char *const say[] = {
		NULL, "%s of the connections are deferred", "a sender has waited for %s",
		"memory, the queue's space or its inodes run out in %s"
	};

	for (int i = 0; i < MEASURES; i++) {
		char buffer[DURATION_PRINTED] = "";
		struct text words = TEXT_OF(buffer);
		double value = measure(status, (enum measure)i);
		int found = range_alerts(&o->critical[i], value)  ? CRITICAL
			    : range_alerts(&o->warning[i], value) ? WARNING
								  : OK;

		if (value < 0 || found == OK)
			continue;
		if (i == DEFERRED)
			text_append(&words, "%.1f %%", value);
		else
			words_duration(&words, value);
		if (say[i])
			judge(j, found, say[i], words.data);
		else if (found > j->status)
			j->status = found;
	}
}

/* What a front refuses by itself can be the mail of all clients, while the level is normal. */
static void judge_refusals(struct judgement *j, const json_t *status)
{
	const json_t *headline = json_object_get(status, "headline");
	const char *reason = string(headline, "reason");
	double ratio = number(headline, "deferred_ratio");
	bool backend = strcmp(reason, "backend") == 0;

	if (ratio < SAID_RATIO || (!backend && strcmp(reason, "limit") != 0))
		return;
	judge(j, ratio > REFUSED_CRITICAL ? CRITICAL : WARNING,
	      "%.1f %% of the connections are refused by the front itself: %s", ratio * 100,
	      backend ? "the mail server behind it cannot be reached"
		      : "its limit of connections is reached");
}

static void judge_status(struct judgement *j, const struct options *o, const json_t *status)
{
	const json_t *front, *driver = json_object_get(status, "driver");
	const char *name, *state = string(status, "state");

	judge_measures(j, o, status);
	if (json_is_object(driver) && number(status, "level") >= 1)
		judge(j, OK, "driven by %s (%s)", string(driver, "resource"),
		      string(driver, "signal"));
	judge_refusals(j, status);
	if (strcmp(state, "blind") == 0)
		judge(j, CRITICAL, "blind: no sensor works and nothing is deferred for load");
	else if (strcmp(state, "serving") != 0)
		judge(j, WARNING, "%s", state);
	json_object_foreach(json_object_get(json_object_get(status, "decisions"), "by_front"), name,
			    front) if (json_is_false(json_object_get(front, "up")))
		judge(j, CRITICAL, "front %s is down (%s)", name, string(front, "reason"));
	if (json_is_false(
		    json_object_get(json_object_get(status, "config"), "last_reload_successful")))
		judge(j, WARNING, "the last reload was refused");
}

static void print_perfdata(const struct options *o, const json_t *status)
{
	const json_t *decisions = json_object_get(status, "decisions");
	double pressure = number(status, "pressure"), window = number(status, "window");
	double in_flight = number(status, "in_flight"), wait = measure(status, WAIT);
	double left = measure(status, EXHAUSTION);

	printf(" | level=%.0f;%s;%s;0;%d", measure(status, LEVEL), o->warning[LEVEL].text,
	       o->critical[LEVEL].text, LEVELS);
	printf(" deferred_share=%.1f%%;%s;%s;0;100", measure(status, DEFERRED),
	       o->warning[DEFERRED].text, o->critical[DEFERRED].text);
	if (wait >= 0)
		printf(" oldest_wait=%.0fs;%s;%s;0", wait, o->warning[WAIT].text,
		       o->critical[WAIT].text);
	if (left >= 0)
		printf(" exhaustion=%.0fs;%s;%s;0", left, o->warning[EXHAUSTION].text,
		       o->critical[EXHAUSTION].text);
	if (pressure >= 0)
		printf(" pressure=%.3f;;;0", pressure);
	if (window >= 0)
		printf(" window=%.0f;;;0", window);
	if (in_flight >= 0)
		printf(" in_flight=%.0f;;;0", in_flight);
	printf(" admit_ratio=%.1f%%;;;0;100 admitted=%.0fc deferred=%.0fc\n",
	       number(status, "admit_ratio") * 100, number(decisions, "admitted"),
	       number(decisions, "deferred"));
}

/* A bar would begin more perfdata. */
static void print_clean(const char *text)
{
	for (; *text; text++)
		putchar(*text == '|' || *text == '\n' ? ' ' : *text);
}

static void print_more(const struct options *o, const json_t *status)
{
	const json_t *one;
	const char *name;

	if (o->verbose < 1)
		return;
	json_object_foreach(json_object_get(status, "resources"), name, one)
	{
		if (json_is_true(json_object_get(one, "known")))
			printf("%s: pressure %.2f\n", name, number(one, "pressure"));
		else
			printf("%s: not known\n", name);
	}
	json_object_foreach(json_object_get(json_object_get(status, "decisions"), "by_front"), name,
			    one) printf("front %s: %s, %.0f admitted, %.0f deferred\n", name,
					json_is_false(json_object_get(one, "up")) ? "down" : "up",
					number(one, "admitted"), number(one, "deferred"));
	if (o->verbose < 2)
		return;
	json_object_foreach(json_object_get(status, "sensors"), name, one)
	{
		const char *why = json_string_value(json_object_get(one, "reason"));

		printf("sensor %s: %s%s", name, string(one, "state"), why && *why ? ", " : "");
		print_clean(why ? why : "");
		putchar('\n');
	}
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
	print_more(o, status);
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

/* Ends calls that have no time limit of their own, such as connect(). */
static void on_alarm(int number)
{
	static const char line[] =
		"PENSTOCK CRITICAL - penstockd does not answer in time; mail flows, unguarded\n";
	ssize_t ignored = write(STDOUT_FILENO, line, sizeof(line) - 1);

	(void)ignored;
	_exit(CRITICAL);
}

enum {
	RUN_DIR = 256,
	WARNING_DEFERRED,
	CRITICAL_DEFERRED,
	WARNING_WAIT,
	CRITICAL_WAIT,
	WARNING_EXHAUSTION,
	CRITICAL_EXHAUSTION
};

static int take(int option, const char *text, struct options *o)
{
	switch (option) {
	case RUN_DIR:
		o->run_dir = text;
		return 0;
	case 'w':
		return range_parse(text, &o->warning[LEVEL]);
	case 'c':
		return range_parse(text, &o->critical[LEVEL]);
	case WARNING_DEFERRED:
		return range_parse(text, &o->warning[DEFERRED]);
	case CRITICAL_DEFERRED:
		return range_parse(text, &o->critical[DEFERRED]);
	case WARNING_WAIT:
		return range_parse(text, &o->warning[WAIT]);
	case CRITICAL_WAIT:
		return range_parse(text, &o->critical[WAIT]);
	case WARNING_EXHAUSTION:
		return range_parse(text, &o->warning[EXHAUSTION]);
	case CRITICAL_EXHAUSTION:
		return range_parse(text, &o->critical[EXHAUSTION]);
	case 't':
		return parse_u64(text, &o->timeout_s) == 0 && o->timeout_s >= 1 &&
				       o->timeout_s <= 3600
			       ? 0
			       : -EINVAL;
	case 'v':
		o->verbose++;
		return 0;
	default:
		return -EINVAL;
	}
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "run-dir", required_argument, NULL, RUN_DIR },
		{ "warning", required_argument, NULL, 'w' },
		{ "critical", required_argument, NULL, 'c' },
		{ "warning-deferred", required_argument, NULL, WARNING_DEFERRED },
		{ "critical-deferred", required_argument, NULL, CRITICAL_DEFERRED },
		{ "warning-wait", required_argument, NULL, WARNING_WAIT },
		{ "critical-wait", required_argument, NULL, CRITICAL_WAIT },
		{ "warning-exhaustion", required_argument, NULL, WARNING_EXHAUSTION },
		{ "critical-exhaustion", required_argument, NULL, CRITICAL_EXHAUSTION },
		{ "timeout", required_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	struct options o = { .run_dir = "/run/penstock", .timeout_s = TIMEOUT_S };
	int option, r = 0;

	output_check_at_exit("check_penstock", UNKNOWN);
	/* Put messages of a library on stderr into the line, too. */
	if (!freopen("/dev/null", "w", stderr))
		return UNKNOWN;
	range_parse("1", &o.warning[LEVEL]);
	range_parse("3", &o.critical[LEVEL]);
	while (r == 0 && (option = getopt_long(argc, argv, "w:c:t:vhV", longs, NULL)) >= 0) {
		if (option == 'h') {
			fputs(usage, stdout);
			return OK;
		}
		if (option == 'V') {
			puts("check_penstock " PENSTOCK_VERSION);
			return OK;
		}
		r = take(option, optarg, &o);
	}
	if (r < 0 || optind != argc) {
		printf("PENSTOCK UNKNOWN - wrong use: check_penstock --help tells how\n");
		return UNKNOWN;
	}
	signal(SIGALRM, on_alarm);
	alarm((unsigned)o.timeout_s + 1);
	return look(&o);
}
