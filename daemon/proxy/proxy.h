/* penstock-proxy: accepts SMTP connections, asks the plan, relays the admitted ones to the MTA and
 * answers the others. A process of its own, so that no crash or upgrade of the daemon touches a
 * session. proxy.c owns the listeners, the signals and the order of life; session.c owns one
 * connection; tally.h is what all of them share. */
#ifndef PENSTOCK_PROXY_PROXY_H
#define PENSTOCK_PROXY_PROXY_H

#include "config/config.h"

struct proxy;

/* 0, or -errno with a sentence in `why` (256). */
int proxy_open(const struct config *config, const struct config_source *source,
	       struct proxy **ret_proxy, char *why);
/* Runs until SIGTERM and the end of the last session. */
int proxy_run(struct proxy *proxy);
void proxy_close(struct proxy *proxy);

#endif
