/* penstockctl: asks penstockd and tells it what to do, over the control socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "base/text.h"
#include "config/config.h"
#include "daemon.h"
#include "penstockctl/call.h"
#include "penstockctl/show.h"
#include "penstockctl/verb_check.h"

enum { EXIT_FINE, EXIT_SAID_NO, EXIT_USAGE, EXIT_NOT_REACHABLE };
#define EXIT_LEVEL 10
#define TIMEOUT_MS 10000

static const char usage[] =
	"Usage: penstockctl [--run-dir DIR] VERB\n"
	"\n"
	"  status [--json] [--exit-code]     level, pressure, window, decisions (exit code 10 + level)\n"
	"  top                               the same, live\n"
	"  explain [ADDRESS]                 the chain from signal to verdict, for the host or a source\n"
	"  sources [--sort rate|age|attempts] [--limit N] [--json]\n"
	"                                    who takes how much, who waits since when, when it gets in\n"
	"  watch [--json]                    changes of level, state and mode as they happen\n"
	"  drain [--for 30m] [--reason TEXT] defer every new connection, until resume or for a while\n"
	"  resume                            end a drain\n"
	"  mode observe|enforce              until the next restart or reload\n"
	"  reload                            read the configuration again; waits, tells success\n"
	"  support [-c FILE] [-o S.K=VALUE]  what this kernel and privilege allow, signal by signal\n"
	"  check [--json] [--root DIR] [-c FILE] [-o S.K=VALUE]\n"
	"                                    what on this host stands in mail's way, and what to do (exit code 1)\n"
	"  version, help\n"
	"\n"
	"Exit codes: 0 fine, 1 the daemon said no, 2 usage, 3 the daemon is not reachable.\n";

struct options {
	const char *run_dir, *reason, *file, *root, *sort;
	const char *overrides[32];
	unsigned overrides_count;
	uint64_t for_us, limit;
	bool json, exit_code;
	int count;
	char **words; /* the verb and its arguments */
};

/* ---- one call ---------------------------------------------------------------------------------------------------- */

static int said_no(const char *error, const json_t *parameters)
{
	const char *reason = json_string_value(json_object_get(parameters, "reason"));
	const char *parameter = json_string_value(json_object_get(parameters, "parameter"));

	if (reason)
		fprintf(stderr, "penstockctl: %s\n", reason);
	else if (parameter && strcmp(error, "org.varlink.service.InvalidParameter") == 0)
		fprintf(stderr,
			"penstockctl: penstockd does not take this value of %s; see --help\n",
			parameter);
	else
		fprintf(stderr, "penstockctl: %s%s%s\n", error, parameter ? ": " : "",
			parameter ? parameter : "");
	return EXIT_SAID_NO;
}

static int failed(int r)
{
	fprintf(stderr,
		"penstockctl: penstockd does not answer: %s; mail flows all the same (fronts take a silent daemon's plan for stale)\n",
		r == -ETIMEDOUT ? "no reply within 10 s" : strerror(-r));
	return EXIT_NOT_REACHABLE;
}

/* EXIT_FINE with *ret_message (owned) and its parameters, else what to exit with: said already. */
static int ask(const struct options *o, const char *method, json_t *parameters,
	       json_t **ret_message, json_t **ret_parameters)
{
	struct call call;
	const char *error = NULL;
	int r = call_open(o->run_dir, &call);

	if (r < 0) {
		json_decref(parameters);
		return EXIT_NOT_REACHABLE;
	}
	r = call_send(&call, method, parameters, false);
	if (r == 0)
		r = call_receive(&call, TIMEOUT_MS, ret_message, &error, ret_parameters);
	call_close(&call);
	if (r < 0)
		return failed(r);
	if (!error)
		return EXIT_FINE;
	r = said_no(error, *ret_parameters);
	json_decref(*ret_message);
	return r;
}

/* The daemon obeys with its next tick: what is said here is true when it is said. After two seconds it is said all the same. */
static void wait_for(const struct options *o, const char *key, const char *wanted)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	uint64_t until_us = clock_monotonic_us() + 2 * US_PER_S;

	while (clock_monotonic_us() < until_us) {
		json_t *message, *answer;
		const char *now;
		bool done;

		if (ask(o, "io.penstock.Status", NULL, &message, &answer) != EXIT_FINE)
			return;
		now = json_string_value(json_object_get(json_object_get(answer, "status"), key));
		done = now && strcmp(now, wanted) == 0;
		json_decref(message);
		if (done)
			return;
		nanosleep(&pause, NULL);
	}
}

/* `key` of the status is `wanted` once the order is in force (NULL: it is when it is answered). */
static int order(const struct options *o, const char *method, json_t *parameters, const char *key,
		 const char *wanted, const char *done)
{
	json_t *message, *answer;
	int r = ask(o, method, parameters, &message, &answer);

	if (r != EXIT_FINE)
		return r;
	json_decref(message);
	if (key)
		wait_for(o, key, wanted);
	puts(done);
	return EXIT_FINE;
}

/* ---- verbs ------------------------------------------------------------------------------------------------------- */

static int verb_status(const struct options *o)
{
	json_t *message, *answer;
	int r = ask(o, "io.penstock.Status", NULL, &message, &answer);
	const json_t *status;

	if (r != EXIT_FINE)
		return r;
	status = json_object_get(answer, "status");
	if (o->json) {
		json_dumpf(status, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		putchar('\n');
	} else {
		show_status(status, stdout);
	}
	if (o->exit_code)
		r = EXIT_LEVEL + (int)json_integer_value(json_object_get(status, "level"));
	json_decref(message);
	return r;
}

static int verb_top(const struct options *o)
{
	const struct timespec second = { 1, 0 };

	for (;;) {
		json_t *message, *answer;
		int r = ask(o, "io.penstock.Status", NULL, &message, &answer);

		if (r != EXIT_FINE)
			return r;
		fputs("\033[H\033[2J", stdout);
		show_status(json_object_get(answer, "status"), stdout);
		fflush(stdout);
		json_decref(message);
		nanosleep(&second, NULL);
	}
}

static bool is_address(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static int verb_explain(const struct options *o)
{
	json_t *message, *answer,
		*parameters = o->count > 1 ? json_pack("{s:s}", "address", o->words[1]) : NULL;
	int r;

	if (o->count > 1 && (!parameters || !is_address(o->words[1]))) {
		fprintf(stderr,
			"penstockctl: explain: this is no numeric address: give one like 203.0.113.9 or 2001:db8::1\n");
		json_decref(parameters);
		return EXIT_USAGE;
	}
	r = ask(o, "io.penstock.Explain", parameters, &message, &answer);
	if (r != EXIT_FINE)
		return r;
	fputs(json_string_value(json_object_get(answer, "text")), stdout);
	json_decref(message);
	return EXIT_FINE;
}

static int verb_sources(const struct options *o)
{
	json_t *message, *answer, *parameters = json_object();
	const json_t *list;
	int r;

	if (o->sort)
		json_object_set_new(parameters, "sort", json_string(o->sort));
	if (o->limit)
		json_object_set_new(parameters, "limit", json_integer((json_int_t)o->limit));
	r = ask(o, "io.penstock.Sources", parameters, &message, &answer);
	if (r != EXIT_FINE)
		return r;
	list = json_object_get(answer, "sources");
	if (o->json) {
		json_dumpf(list, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		putchar('\n');
	} else {
		show_sources(list, stdout);
	}
	json_decref(message);
	return EXIT_FINE;
}

static int verb_watch(const struct options *o)
{
	struct call call;
	int r = call_open(o->run_dir, &call);

	if (r < 0)
		return EXIT_NOT_REACHABLE;
	r = call_send(&call, "io.penstock.Watch", NULL, true);
	while (r == 0) {
		const char *error;
		json_t *message, *answer, *change;

		r = call_receive(&call, -1, &message, &error, &answer);
		if (r < 0)
			break;
		change = json_object_get(answer, "change");
		if (error) {
			r = said_no(error, answer);
			json_decref(message);
			call_close(&call);
			return r;
		}
		if (o->json) {
			json_dumpf(change, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
			putchar('\n');
		} else {
			show_change(change, stdout);
		}
		fflush(stdout);
		json_decref(message);
	}
	call_close(&call);
	return failed(r);
}

static int verb_drain(const struct options *o)
{
	json_t *parameters = json_object();
	char done[128] = "draining: every new connection is deferred; `penstockctl resume` ends it";
	time_t end = time(NULL) + (time_t)(o->for_us / US_PER_S);
	struct tm tm;

	if (o->for_us && gmtime_r(&end, &tm))
		strftime(
			done, sizeof(done),
			"draining until %FT%TZ: every new connection is deferred; `penstockctl resume` ends it before",
			&tm);
	if (o->for_us)
		json_object_set_new(parameters, "for_s",
				    json_integer((json_int_t)(o->for_us / US_PER_S)));
	if (o->reason)
		json_object_set_new(parameters, "reason", json_string(o->reason));
	return order(o, "io.penstock.Drain", parameters, "state", "draining", done);
}

static int verb_resume(const struct options *o)
{
	return order(o, "io.penstock.Resume", NULL, "state", "serving", "serving");
}

static int verb_mode(const struct options *o)
{
	char done[96];

	if (o->count != 2 ||
	    (strcmp(o->words[1], "observe") != 0 && strcmp(o->words[1], "enforce") != 0)) {
		fprintf(stderr, "penstockctl: mode wants one word: observe or enforce\n");
		return EXIT_USAGE;
	}
	snprintf(done, sizeof(done), "mode is %s until the next restart or reload", o->words[1]);
	return order(o, "io.penstock.SetMode", json_pack("{s:s}", "mode", o->words[1]), "mode",
		     o->words[1], done);
}

static int verb_reload(const struct options *o)
{
	return order(o, "io.penstock.Reload", NULL, NULL, NULL, "reloaded");
}

static int load_config(const struct options *o, struct config *ret_config,
		       struct config_errors *ret_errors)
{
	struct config_source source = { .file = o->file,
					.overrides = o->overrides,
					.overrides_count = o->overrides_count };

	return config_load(&source, ret_config, ret_errors);
}

/* With this process's privileges, not the daemon's: the same question that `penstockd --support` answers. */
static int verb_support(const struct options *o)
{
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));

	if (!config || !errors)
		return EXIT_SAID_NO;
	if (load_config(o, config, errors) < 0) {
		for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
			char line[640];

			config_error_print(&errors->error[i], line, sizeof(line));
			fprintf(stderr, "%s\n", line);
		}
		return EXIT_SAID_NO;
	}
	daemon_support(config, &out);
	fputs(buffer, stdout);
	return EXIT_FINE;
}

static int verb_check(const struct options *o)
{
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));

	if (!config || !errors)
		return EXIT_SAID_NO;
	if (load_config(o, config, errors) < 0)
		return show_check_config(errors, o->json);
	return show_check(config, o->root, o->json);
}

static int verb_version(const struct options *o)
{
	puts("penstockctl " PENSTOCK_VERSION);
	return EXIT_FINE;
}

static int verb_help(const struct options *o)
{
	fputs(usage, stdout);
	return EXIT_FINE;
}

static const struct {
	const char *name;
	int most; /* words after the verb */
	int (*run)(const struct options *options);
} verbs[] = { { "status", 0, verb_status },   { "top", 0, verb_top },
	      { "explain", 1, verb_explain }, { "sources", 0, verb_sources },
	      { "watch", 0, verb_watch },     { "drain", 0, verb_drain },
	      { "resume", 0, verb_resume },   { "mode", 1, verb_mode },
	      { "reload", 0, verb_reload },   { "support", 0, verb_support },
	      { "check", 0, verb_check },     { "version", 0, verb_version },
	      { "help", 0, verb_help } };

/* ---- argv -------------------------------------------------------------------------------------------------------- */

static int take_for(const char *text, struct options *o)
{
	if (parse_duration_us(text, &o->for_us) == 0 && o->for_us >= US_PER_S)
		return 0;
	fprintf(stderr,
		"penstockctl: --for %s: give a duration of a second or more, like 30m or 2h\n",
		text);
	return -1;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "run-dir", required_argument, NULL, 'd' },
					       { "json", no_argument, NULL, 'j' },
					       { "exit-code", no_argument, NULL, 'e' },
					       { "for", required_argument, NULL, 'f' },
					       { "reason", required_argument, NULL, 'r' },
					       { "root", required_argument, NULL, 'R' },
					       { "sort", required_argument, NULL, 's' },
					       { "limit", required_argument, NULL, 'l' },
					       { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	static char *help[] = { "help" }, *version[] = { "version" };
	int option;

	while ((option = getopt_long(argc, argv, "c:o:h", longs, NULL)) >= 0) {
		if (option == 'd')
			o->run_dir = optarg;
		else if (option == 'j')
			o->json = true;
		else if (option == 'e')
			o->exit_code = true;
		else if (option == 'r')
			o->reason = optarg;
		else if (option == 'R')
			o->root = optarg;
		else if (option == 's')
			o->sort = optarg;
		else if (option == 'l' && parse_u64(optarg, &o->limit) == 0)
			continue;
		else if (option == 'c')
			o->file = optarg;
		else if (option == 'o' && o->overrides_count < ARRAY_SIZE(o->overrides))
			o->overrides[o->overrides_count++] = optarg;
		else if (option == 'h' || option == 'V') {
			o->words = option == 'h' ? help : version;
			o->count = 1;
			return 0;
		} else if (option == 'l') {
			fprintf(stderr, "penstockctl: --limit %s: give a number\n", optarg);
			return -1;
		} else if (option == 'o') {
			fprintf(stderr, "penstockctl: at most %zu options -o\n",
				ARRAY_SIZE(o->overrides));
			return -1;
		} else if (option != 'f') {
			fprintf(stderr, "Try 'penstockctl --help'.\n");
			return -1;
		} else if (take_for(optarg, o) < 0)
			return -1;
	}
	o->count = argc - optind;
	o->words = argv + optind;
	return 0;
}

int main(int argc, char **argv)
{
	static struct options o = { .run_dir = "/run/penstock" };

	if (parse(argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (o.count == 0) {
		fprintf(stderr,
			"penstockctl: what is it to do? `penstockctl --help` tells the verbs\n");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, o.words[0]) != 0)
			continue;
		if (o.count - 1 > verbs[i].most) {
			fprintf(stderr, "penstockctl: %s: too many arguments\n", o.words[0]);
			return EXIT_USAGE;
		}
		return verbs[i].run(&o);
	}
	fprintf(stderr, "penstockctl: there is no verb \"%s\"; `penstockctl --help` tells them\n",
		o.words[0]);
	return EXIT_USAGE;
}
