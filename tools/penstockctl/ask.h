/* The command line of penstockctl, and a call to penstockd that prints why it failed. */
#ifndef PENSTOCKCTL_ASK_H
#define PENSTOCKCTL_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define RUN_DIR_DEFAULT "/run/penstock"

enum { EXIT_FINE, EXIT_SAID_NO, EXIT_USAGE, EXIT_NOT_REACHABLE };

struct options {
	const char *run_dir, *reason, *file, *root, *sort, *since, *until;
	const char *overrides[32];
	unsigned overrides_count;
	uint64_t for_us, limit;
	bool json, exit_code, help;
	int count;
	char **words; /* the verb and its arguments */
};

/* Calls a method with `parameters` (owned, NULL: none). Returns EXIT_FINE with *ret_message (to be
 * released) and its parameters in *ret_parameters; else the exit code, after printing the
 * reason. */
int ask(const struct options *options, const char *method, json_t *parameters, json_t **ret_message,
	json_t **ret_parameters);
/* The same for an order, which is in force when it is answered: then prints `done` (NULL:
 * nothing). */
int ask_order(const struct options *options, const char *method, json_t *parameters,
	      const char *done);
/* Print that penstockd refused, and why, or that it does not answer (`r`: negative errno). Both
 * return the exit code. */
int ask_refused(const char *error, const json_t *parameters);
int ask_failed(int r);
/* Prints a value as JSON for people. */
void ask_print(const json_t *value);

#endif
