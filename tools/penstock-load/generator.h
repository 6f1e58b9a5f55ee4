/* The sender: one SMTP session for each message, open loop, so that a slow server does not slow it
 * down. */
#ifndef PENSTOCK_LOAD_GENERATOR_H
#define PENSTOCK_LOAD_GENERATOR_H

#include "penstock-load/config.h"
#include "penstock-load/report.h"

/* Runs to the end. 0 or -errno. */
int generator_run(const struct generator_config *config, struct report *report, double *ret_late_s);

#endif
