#include "config/args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/cleanup.h"
#include "base/output.h"

enum { RUN_DIR = 256, CHECK, VERSION, HELP, STATE_DIR, OBSERVE, PRINT, METRICS, SUPPORT };

#define OF_DAEMON 5 /* rows of penstockd alone; the others follow */

static const struct option options[] = {
	{ "state-dir", required_argument, NULL, STATE_DIR },
	{ "observe", no_argument, NULL, OBSERVE },
	{ "print-config", no_argument, NULL, PRINT },
	{ "print-metrics", no_argument, NULL, METRICS },
	{ "support", no_argument, NULL, SUPPORT },
	{ "config", required_argument, NULL, 'c' },
	{ "run-dir", required_argument, NULL, RUN_DIR },
	{ "check-config", no_argument, NULL, CHECK },
	{ "version", no_argument, NULL, VERSION },
	{ "help", no_argument, NULL, HELP },
	{ 0 },
};

/* -1 to go on, or the exit status. */
static int take_override(const char *program, const char *text, struct args *args)
{
	if (args->source.overrides_count == ARGS_OVERRIDES) {
		fprintf(stderr, "%s: more than %d -o options\n", program, ARGS_OVERRIDES);
		return EX_USAGE;
	}
	args->overrides[args->source.overrides_count++] = text;
	return -1;
}

/* One option. -1 to go on, or the exit status. */
static int take(int option, const char *program, const char *usage, struct args *args)
{
	switch (option) {
	case 'c':
		args->source.file = optarg;
		return -1;
	case 'o':
		return take_override(program, optarg, args);
	case OBSERVE:
		return take_override(program, "daemon.mode=observe", args);
	case RUN_DIR:
		args->source.run_dir = optarg;
		return -1;
	case STATE_DIR:
		args->source.state_dir = optarg;
		return -1;
	case CHECK:
		args->check = true;
		return -1;
	case PRINT:
		args->print = true;
		return -1;
	case METRICS:
		args->metrics = true;
		return -1;
	case SUPPORT:
		args->support = true;
		return -1;
	case VERSION:
		printf("%s " PENSTOCK_VERSION "\n", program);
		return EXIT_SUCCESS;
	case HELP:
	case 'h':
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	default:
		fprintf(stderr, "Try '%s --help'.\n", program);
		return EX_USAGE;
	}
}

/* Returns the exit status, or -1 to go on. */
static int parse(int argc, char **argv, const char *program, const char *usage, bool daemon_options,
		 struct args *args)
{
	const struct option *known = daemon_options ? options : options + OF_DAEMON;
	int option, r;

	while ((option = getopt_long(argc, argv, "c:o:h", known, NULL)) != -1) {
		r = take(option, program, usage, args);
		if (r >= 0)
			return r;
	}
	if (optind < argc) {
		fprintf(stderr, "%s: what is '%s'? It takes options only. Try '%s --help'.\n",
			program, argv[optind], program);
		return EX_USAGE;
	}
	args->source.overrides = args->overrides;
	return -1;
}

static int load(const struct args *args, struct config *ret)
{
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));
	char line[1024];
	int r;

	if (!errors)
		return EX_OSERR;
	r = config_load(&args->source, ret, errors);
	for (unsigned i = 0; i < errors->warnings; i++) {
		config_error_print(&errors->warning[i], line, sizeof(line));
		fprintf(stderr, "warning: %s\n", line);
	}
	if (r == 0)
		return -1;
	for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
		config_error_print(&errors->error[i], line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
	if (errors->count > CONFIG_ERRORS)
		fprintf(stderr, "and %u more\n", errors->count - CONFIG_ERRORS);
	return EX_CONFIG;
}

int args_read(int argc, char **argv, const char *program, const char *usage, bool daemon_options,
	      struct args *ret, struct config *ret_config)
{
	int r;

	output_check_at_exit(program, EXIT_FAILURE);
	r = parse(argc, argv, program, usage, daemon_options, ret);
	if (r >= 0)
		return r;
	ret->source.may_lack_fragments = !daemon_options && !ret->check;
	r = load(ret, ret_config);
	ret->source.may_lack_fragments = false; /* a reload has a configuration to keep */
	return r;
}
