/* The results of a run: the figures by which users compare laws. */
#ifndef PENSTOCK_SIM_REPORT_H
#define PENSTOCK_SIM_REPORT_H

#include <stdio.h>

#include "penstock-sim/world.h"

struct report {
	double goodput_ratio, goodput_after_ratio; /* -1: there was no overload */
	double recovery_s; /* -1: never */
	/* refused beyond what a clairvoyant must refuse, in percent of what was offered */
	double regret;
	/* of what was offered: refused at times at which a clairvoyant refuses none */
	double needless_ratio;
	double max_in_flight, rejects_per_arrival;
	double bounces, bounces_oracle, lost;
	/* -1: no message waited */
	double deferral_p50_s, deferral_p999_s, deferral_most_s, deferral_bound_s;
	double banner_p99_ms; /* -1: no client was greeted */
	double told_p50_ms, told_p99_ms; /* connection to refusal; -1: no client was refused */
	double jain; /* -1: too few senders that are alike */
	double level_changes;
	double oldest_waiting_s; /* mail that still waits at the end; -1: there is none */
	/* share of the mail that got in by its third attempt, of all mail that had one or did not
	 * need it; -1: there is none */
	double third_attempt_ratio;
};

/* One figure by its name in JSON, for expectations. 0 or -ENOENT. */
int report_value(struct run *run, const char *name, double *ret);
/* As JSON, without a newline at the end. */
void report_print(FILE *out, struct run *run);

/* Prints the figures that a person looks at first, one line for each run. */
void report_say(FILE *out, struct run *run);

#endif
