/* penstockd: argv and exit status, nothing else. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "daemon.h"

#define OVERRIDES_MAX 64

static const char usage[] =
	"Usage: penstockd [OPTION]...\n"
	"Measures this machine and tells whatever fronts the mail server when to answer new SMTP connections with 451.\n"
	"\n"
	"  -c FILE                configuration (default /etc/penstock/penstock.conf and penstock.conf.d/*.conf, all optional)\n"
	"  -o SECTION.KEY=VALUE   one option, over the file; may be repeated\n"
	"      --run-dir DIR      sockets and the plan (default /run/penstock)\n"
	"      --state-dir DIR    what outlives a restart (default /var/lib/penstock)\n"
	"      --observe          compute, publish and log, admit everything (daemon.mode=observe)\n"
	"      --check-config     exit 0, or 78 with FILE:LINE: section.key: reason\n"
	"      --print-config     every option with the value in force\n"
	"      --support          what this kernel and privilege allow, signal by signal\n"
	"      --version, --help\n"
	"\n"
	"SIGHUP reloads, SIGTERM stops: mail then flows as if penstock were not there. See penstockd(8), penstockctl(1).\n";

struct arguments {
	struct config_source source;
	const char *overrides[OVERRIDES_MAX];
	bool check, print, support;
};

/* Returns the exit status, or -1 to go on. */
static int parse_arguments(int argc, char **argv, struct arguments *args)
{
	enum { RUN_DIR = 256, STATE_DIR, OBSERVE, CHECK, PRINT, SUPPORT, VERSION, HELP };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "run-dir", required_argument, NULL, RUN_DIR },
		{ "state-dir", required_argument, NULL, STATE_DIR },
		{ "observe", no_argument, NULL, OBSERVE },
		{ "check-config", no_argument, NULL, CHECK },
		{ "print-config", no_argument, NULL, PRINT },
		{ "support", no_argument, NULL, SUPPORT },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	const char *override;
	int c;

	while ((c = getopt_long(argc, argv, "c:o:h", options, NULL)) != -1) {
		override = NULL;
		switch (c) {
		case 'c':
			args->source.file = optarg;
			break;
		case 'o':
			override = optarg;
			break;
		case RUN_DIR:
			args->source.run_dir = optarg;
			break;
		case STATE_DIR:
			args->source.state_dir = optarg;
			break;
		case OBSERVE:
			override = "daemon.mode=observe";
			break;
		case CHECK:
			args->check = true;
			break;
		case PRINT:
			args->print = true;
			break;
		case SUPPORT:
			args->support = true;
			break;
		case VERSION:
			puts("penstockd " PENSTOCK_VERSION);
			return EXIT_SUCCESS;
		case HELP:
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs("Try 'penstockd --help'.\n", stderr);
			return EX_USAGE;
		}
		if (override && args->source.overrides_count == OVERRIDES_MAX) {
			fprintf(stderr, "penstockd: more than %d -o options\n", OVERRIDES_MAX);
			return EX_USAGE;
		}
		if (override)
			args->overrides[args->source.overrides_count++] = override;
	}
	if (optind < argc) {
		fprintf(stderr,
			"penstockd: what is '%s'? It takes options only. Try 'penstockd --help'.\n",
			argv[optind]);
		return EX_USAGE;
	}
	args->source.overrides = args->overrides;
	return -1;
}

static void print_errors(const struct config_errors *errors)
{
	char line[1024];

	for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
		config_error_print(&errors->error[i], line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
	if (errors->count > CONFIG_ERRORS)
		fprintf(stderr, "and %u more\n", errors->count - CONFIG_ERRORS);
}

static int print_config(const struct config *config)
{
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);

	config_print(config, &out);
	fputs(buffer, stdout);
	return EXIT_SUCCESS;
}

static int print_support(const struct config *config)
{
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);

	daemon_support(config, &out);
	fputs(buffer, stdout);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct config config;
	static struct config_errors errors;
	struct arguments args = { 0 };
	struct daemon *daemon = NULL;
	char why[256] = "";
	int r = parse_arguments(argc, argv, &args);

	if (r >= 0)
		return r;
	r = config_load(&args.source, &config, &errors);
	if (r < 0) {
		print_errors(&errors);
		return EX_CONFIG;
	}
	if (args.check)
		return EXIT_SUCCESS;
	if (args.print)
		return print_config(&config);
	if (args.support)
		return print_support(&config);
	log_open("penstockd", config.log_level);
	r = daemon_new(&config, &args.source, &daemon, why);
	if (r < 0)
		log_error("%s", why);
	else
		r = daemon_run(daemon);
	daemon_free(daemon);
	log_close();
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
