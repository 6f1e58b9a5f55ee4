/* The second stage: the filters on this host to which the mail server passes its mail, found from
 * its own connections. Postfix connects to its content_filter, to milters, to LMTP: amavis, rspamd,
 * clamav, Dovecot. A worker (worker.h) looks for them every few seconds. This needs a kernel that
 * reports the control group of a socket (5.7 and later), and a filter in another group than the
 * mail server. UNIX sockets, and filters in another network namespace, are not seen. */
#ifndef PENSTOCK_SENSOR_FILTERS_H
#define PENSTOCK_SENSOR_FILTERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

#define FILTERS_MAX 4
#define FILTER_NAME_MAX 64

struct filter {
	char listener[FILTER_NAME_MAX]; /* "127.0.0.1:10024" */
	char unit[96]; /* "amavis.service"; empty: in no control group of its own */
	uint16_t port;
	struct in6_addr address; /* IPv4 mapped */
	char cpu[CONFIG_PATH_MAX]; /* directory with cpu.stat, below the cgroup root; empty: none */
	unsigned clients; /* connections from the mail server, when last looked */
	uint64_t seen_us; /* CLOCK_MONOTONIC: when there was one */
	/* of this tick */
	bool listens;
	uint32_t queue, limit; /* its accept queue */
	double cores; /* used by its control group; -1: not known */
};

struct filters {
	uint64_t generation; /* 0: not looked yet; else how often the list has changed */
	unsigned count;
	struct filter each[FILTERS_MAX]; /* the filter with most clients comes first */
};

struct sensor_env;
struct filter_watch;

/* 0, or -errno with a sentence in `why` (SENSOR_WHY_MAX). */
int filter_watch_open(const struct sensor_env *env, struct filter_watch **ret_watch, char *why);
/* Copies the last findings. Never blocks: false while they are being written. */
bool filter_watch_read(struct filter_watch *watch, struct filters *ret);
void filter_watch_close(struct filter_watch *watch);

#endif
