/* penstockctl check: prints what check/check.h found. */
#ifndef PENSTOCKCTL_VERB_CHECK_H
#define PENSTOCKCTL_VERB_CHECK_H

#include <stdbool.h>

#include <jansson.h>

#include "config/config.h"

/* `status`: of the running daemon, NULL: it was not asked or does not answer. `file`: the
 * configuration file, NULL: the default. `judged`: a sentence that says which configuration this
 * is; may be empty. Returns the exit code: 0 nothing worse than a note, 1 a warning, 4 an error. */
int show_check(const struct config *config, const char *root, const char *file, const char *judged,
	       const json_t *status, bool json);
/* Prints that the configuration itself is wrong. */
int show_check_config(const struct config_errors *errors, bool json);

#endif
