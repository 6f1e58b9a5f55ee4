/* The verbs that show what penstockd reports. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "penstockctl/call.h"
#include "penstockctl/show.h"
#include "penstockctl/top.h"
#include "penstockctl/verbs_run.h"

#define EXIT_LEVEL 10

int verb_status(const struct options *o)
{
	json_t *message, *answer;
	int r = ask(o, "io.penstock.Status", NULL, &message, &answer);
	const json_t *status;

	if (r != EXIT_FINE)
		return r;
	status = json_object_get(answer, "status");
	if (o->json) {
		ask_print(status);
	} else {
		show_status(status, stdout);
	}
	if (o->exit_code)
		r = EXIT_LEVEL + (int)json_integer_value(json_object_get(status, "level"));
	json_decref(message);
	return r;
}

static int status_for_top(void *context, json_t **ret_status)
{
	const struct options *o = context;
	struct call call;
	json_t *message = NULL, *answer = NULL;
	const char *error = NULL;
	int r = call_open(o->run_dir, &call);

	if (r < 0)
		return r;
	r = call_send(&call, "io.penstock.Status", NULL, false);
	if (r == 0)
		r = call_receive(&call, 2000, &message, &error, &answer);
	call_close(&call);
	if (r == 0 && (error || !json_object_get(answer, "status")))
		r = -EPROTO;
	if (r == 0)
		*ret_status = json_incref(json_object_get(answer, "status"));
	json_decref(message);
	return r;
}

/* Into a pipe it prints the status once a second. */
int verb_top(const struct options *o)
{
	const struct timespec second = { 1, 0 };
	json_t *message, *answer;
	int r = ask(o, "io.penstock.Status", NULL, &message, &answer);

	if (r != EXIT_FINE)
		return r;
	json_decref(message);
	if (isatty(STDOUT_FILENO) && isatty(STDIN_FILENO)) {
		int err = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		/* top shows errors itself; they must not be printed across the screen. */
		if (null >= 0)
			dup2(null, STDERR_FILENO);
		r = top_run(status_for_top, (void *)o);
		if (err >= 0 && r < 0)
			dprintf(err, "penstockctl: top: Cannot draw on this terminal (TERM): %s\n",
				strerror(-r));
		return r < 0 ? EXIT_SAID_NO : EXIT_FINE;
	}
	for (;;) {
		r = ask(o, "io.penstock.Status", NULL, &message, &answer);
		if (r != EXIT_FINE)
			return r;
		show_status(json_object_get(answer, "status"), stdout);
		putchar('\n');
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

int verb_explain(const struct options *o)
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
	if (o->json)
		ask_print(answer);
	else
		fputs(json_string_value(json_object_get(answer, "text")), stdout);
	json_decref(message);
	return EXIT_FINE;
}

int verb_sources(const struct options *o)
{
	json_t *message, *answer, *parameters = json_object();
	const json_t *list;
	int r;

	if (o->sort && strcmp(o->sort, "rate") != 0 && strcmp(o->sort, "age") != 0 &&
	    strcmp(o->sort, "attempts") != 0) {
		fprintf(stderr, "penstockctl: --sort %s: give rate, age or attempts\n", o->sort);
		json_decref(parameters);
		return EXIT_USAGE;
	}
	if (o->sort)
		json_object_set_new(parameters, "sort", json_string(o->sort));
	if (o->limit)
		json_object_set_new(parameters, "limit", json_integer((json_int_t)o->limit));
	r = ask(o, "io.penstock.Sources", parameters, &message, &answer);
	if (r != EXIT_FINE)
		return r;
	list = json_object_get(answer, "sources");
	if (o->json) {
		ask_print(list);
	} else {
		show_sources(list, stdout);
	}
	json_decref(message);
	return EXIT_FINE;
}

int verb_fleet(const struct options *o)
{
	json_t *message, *answer;
	const json_t *fleet;
	int r = ask(o, "io.penstock.Status", NULL, &message, &answer);

	if (r != EXIT_FINE)
		return r;
	fleet = json_object_get(json_object_get(answer, "status"), "fleet");
	if (o->json) {
		json_dumpf(fleet, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		putchar('\n');
	} else {
		show_fleet(fleet, stdout);
	}
	json_decref(message);
	return EXIT_FINE;
}

int verb_watch(const struct options *o)
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
			r = ask_refused(error, answer);
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
	return ask_failed(r);
}
