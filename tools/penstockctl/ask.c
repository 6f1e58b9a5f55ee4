#include "penstockctl/ask.h"

#include <errno.h>
#include <string.h>

#include "penstockctl/call.h"

#define TIMEOUT_MS 10000

int ask_refused(const char *error, const json_t *parameters)
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

int ask_failed(int r)
{
	if (r == -ECONNRESET || r == -EPIPE) {
		fprintf(stderr,
			"penstockctl: the connection was closed before the answer came: penstockd ended, or the process that reads calls for it; mail flows all the same.\n"
			"  Try again; an order may have been carried out, which `penstockctl status` tells. `journalctl -u penstockd` says why the process ended\n");
		return EXIT_NOT_REACHABLE;
	}
	fprintf(stderr,
		"penstockctl: penstockd does not answer: %s; mail flows all the same (fronts take a silent daemon's plan for stale)\n",
		r == -ETIMEDOUT ? "no reply within 10 s" : strerror(-r));
	return EXIT_NOT_REACHABLE;
}

/* EXIT_FINE with *ret_message (owned) and its parameters, else the exit code; the reason was
 * printed. */
int ask(const struct options *o, const char *method, json_t *parameters, json_t **ret_message,
	json_t **ret_parameters)
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
		return ask_failed(r);
	if (!error)
		return EXIT_FINE;
	r = ask_refused(error, *ret_parameters);
	json_decref(*ret_message);
	return r;
}

int ask_order(const struct options *o, const char *method, json_t *parameters, const char *done)
{
	json_t *message, *answer;
	int r = ask(o, method, parameters, &message, &answer);

	if (r != EXIT_FINE)
		return r;
	json_decref(message);
	if (done)
		puts(done);
	return EXIT_FINE;
}

void ask_print(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
}
