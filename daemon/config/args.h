/* The options that every program with a configuration shares: -c, -o, --run-dir, --check-config,
 * --version, --help. */
#ifndef PENSTOCK_CONFIG_ARGS_H
#define PENSTOCK_CONFIG_ARGS_H

#include "config/config.h"

#define ARGS_OVERRIDES 64

struct args {
	struct config_source source;
	const char *overrides[ARGS_OVERRIDES];
	bool check, print, metrics, support;
};

/* Returns the exit status, or -1 to go on. `daemon_options`: also --state-dir, --observe,
 * --print-config, --print-metrics, --support. */
int args_parse(int argc, char **argv, const char *program, const char *usage, bool daemon_options,
	       struct args *args);
/* Loads; prints what is wrong to stderr. -1 to go on, else the exit status (78). */
int args_load(const struct args *args, struct config *ret);

#endif
