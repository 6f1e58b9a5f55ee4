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

/* Takes the options and loads the configuration; prints what is wrong to stderr. Returns the exit
 * status (EX_CONFIG: the configuration is not valid, and then the options are in `ret`), or -1 to
 * go on. `daemon_options`: also --state-dir, --observe, --print-config, --print-metrics,
 * --support. */
int args_read(int argc, char **argv, const char *program, const char *usage, bool daemon_options,
	      struct args *ret, struct config *ret_config);

#endif
