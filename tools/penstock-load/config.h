/* What penstock-load sends, and how. */
#ifndef PENSTOCK_LOAD_CONFIG_H
#define PENSTOCK_LOAD_CONFIG_H

#include "base/endpoint.h"
#include "penstock-load/schedule.h"

#define RETRIES_MAX 16

struct generator_config {
	struct endpoint target;
	struct schedule schedule;
	double drain_s; /* time after the end of the schedule for sessions that are open */
	double greeting_timeout_s, command_timeout_s;
	double rtt_s; /* the client waits so long before each command */
	uint64_t size, recipients, open_max, seed;
	char recipient[128];
	unsigned source_base, source_count; /* IPv4, host order; 0: the kernel's choice */
	unsigned source_step; /* distance from one address to the next */
	unsigned retries;
	double retry_s[RETRIES_MAX];
};

#endif
