/* The sender: open loop, so that a slow server does not slow it down, one SMTP session a
 * message. */
#ifndef PENSTOCK_LOAD_GENERATOR_H
#define PENSTOCK_LOAD_GENERATOR_H

#include "base/endpoint.h"
#include "penstock-load/report.h"
#include "penstock-load/schedule.h"

#define RETRIES_MAX 16

struct generator_config {
	struct endpoint target;
	struct schedule schedule;
	double drain_s; /* time for what is open when the schedule ends */
	double greeting_timeout_s, command_timeout_s;
	double rtt_s; /* the client thinks so long before each command */
	uint64_t size, recipients, open_max, seed;
	char recipient[128];
	unsigned source_base, source_count; /* IPv4, host order; 0: the kernel's choice */
	unsigned source_step; /* from one to the next */
	unsigned retries;
	double retry_s[RETRIES_MAX];
};

/* Runs to the end. 0 or -errno. */
int generator_run(const struct generator_config *config, struct report *report, double *ret_late_s);

#endif
