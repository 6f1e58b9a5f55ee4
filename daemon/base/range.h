/* Thresholds of monitoring plugins (Monitoring Plugins Development Guidelines, "Threshold and
 * Ranges"): [@][START:][END].
 *
 *   10      alert below 0 or above 10        10:     alert below 10
 *   ~:10    alert above 10                   10:20   alert outside of 10 to 20
 *   @10:20  alert inside of 10 to 20 */
#ifndef PENSTOCK_BASE_RANGE_H
#define PENSTOCK_BASE_RANGE_H

#include <stdbool.h>

struct range {
	bool set;
	bool inside; /* @: alert inside */
	double start, end;
	char text[48]; /* as it was given, for perfdata */
};

/* 0, or -EINVAL: it is not a range, or it starts above its end. */
int range_parse(const char *text, struct range *ret);
/* Whether the value is a reason for an alert. A range that is not set never alerts. */
bool range_alerts(const struct range *range, double value);

#endif
