/* penstock-proxy: argv and exit status, nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"
#include "config/args.h"
#include "proxy/handover.h"
#include "proxy/proxy.h"

static const char usage[] =
	"Usage: penstock-proxy [OPTION]...\n"
	"Relays SMTP connections to the mail server while penstockd's plan admits them, and answers the others with 451.\n"
	"Without penstockd it relays everything.\n"
	"\n"
	"  -c FILE                configuration, the same as penstockd's: section [front.proxy]\n"
	"  -o SECTION.KEY=VALUE   one option, over the file; may be repeated\n"
	"      --run-dir DIR      where penstockd's plan is (default /run/penstock)\n"
	"      --check-config     exit 0, or 78 with FILE:LINE: section.key: reason\n"
	"      --version, --help\n"
	"\n"
	"SIGHUP reloads, SIGTERM lets the sessions finish. See penstock-proxy(8).\n";

int main(int argc, char **argv)
{
	static struct config config;
	static struct args args;
	struct proxy *proxy = NULL;
	char why[256] = "";
	int r = args_read(argc, argv, "penstock-proxy", usage, false, &args, &config);

	if (r >= 0) {
		if (r == EX_CONFIG && !args.check)
			handover_forget();
		return r;
	}
	if (!config.proxy.enabled) {
		fputs("penstock-proxy: front.proxy.enabled is not set: there is nothing to do. Set it, with listen and backend.\n",
		      stderr);
		handover_forget();
		return EX_CONFIG;
	}
	if (args.check)
		return EXIT_SUCCESS;
	log_open("penstock-proxy", config.log_level);
	r = proxy_open(&config, &args.source, &proxy, why);
	if (r < 0)
		log_error("%s", why);
	else
		r = proxy_run(proxy);
	proxy_close(proxy);
	log_close();
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
