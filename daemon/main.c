/* penstockd: argv and exit status, nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "config/args.h"
#include "daemon.h"
#include "fleet/exchange_wire.h"
#include "front/asked_wire.h"
#include "publish/control_wire.h"
#include "publish/http_wire.h"
#include "publish/metric_table.h"
#include "publish/support.h"

static const char usage[] =
	"Usage: penstockd [OPTION]...\n"
	"Measures this machine, and tells the fronts of the mail server when to answer new SMTP connections with 451.\n"
	"\n"
	"  -c FILE                configuration (default /etc/penstock/penstock.conf and penstock.conf.d/*.conf, all optional)\n"
	"  -o SECTION.KEY=VALUE   one option, over the file; may be repeated\n"
	"      --run-dir DIR      directory of sockets and plan (default /run/penstock)\n"
	"      --state-dir DIR    directory of what is kept over a restart (default /var/lib/penstock)\n"
	"      --observe          measure, publish and log, but admit every connection (daemon.mode=observe)\n"
	"      --check-config     exit 0, or 78 with FILE:LINE: section.key: reason\n"
	"      --print-config     every option with the value in force\n"
	"      --print-metrics    every metric of /metrics: name, kind, unit, labels, what replaces it, what it means; tabs between\n"
	"      --support          which signals this kernel and these privileges allow\n"
	"      --version, --help\n"
	"\n"
	"SIGHUP reloads, SIGTERM stops: mail then flows as if penstock were not there. See penstockd(8), penstockctl(1).\n";

static int print_config(const struct config *config)
{
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);

	config_print(config, &out);
	fputs(buffer, stdout);
	return EXIT_SUCCESS;
}

static int print_metrics(void)
{
	for (int i = 0; i < METRIC__COUNT; i++) {
		const struct metric_info *m = &metric_info[i];

		printf("%s\t%s\t%s\t%s\t%s\t%s\n", m->name, metric_kind_name(m->kind), m->unit,
		       m->labels, m->replaced_by, m->help);
	}
	return EXIT_SUCCESS;
}

static int print_support(const struct config *config)
{
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);

	support_print(config, &out);
	fputs(buffer, stdout);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static struct config config;
	static struct args args;
	struct daemon *daemon = NULL;
	char why[256] = "";
	int r;

	if (argc > 1 && strcmp(argv[1], HTTP_ARGUMENT) == 0)
		return http_process_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], ASKED_ARGUMENT) == 0)
		return asked_process_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], CONTROL_ARGUMENT) == 0)
		return control_process_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], EXCHANGE_ARGUMENT) == 0)
		return exchange_process_main(argc, argv);
	r = args_read(argc, argv, "penstockd", usage, true, &args, &config);
	if (r >= 0)
		return r;
	if (args.check)
		return EXIT_SUCCESS;
	if (args.print)
		return print_config(&config);
	if (args.metrics)
		return print_metrics();
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
