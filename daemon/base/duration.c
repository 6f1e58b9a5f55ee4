#include "base/duration.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"

const char *duration_print(double s, char *buf)
{
	if (s >= 2 * 86400)
		snprintf(buf, DURATION_PRINTED, "%.1f days", s / 86400);
	else if (s >= 2 * 3600)
		snprintf(buf, DURATION_PRINTED, "%.1f h", s / 3600);
	else if (s >= 120)
		snprintf(buf, DURATION_PRINTED, "%.0f min", s / 60);
	else
		snprintf(buf, DURATION_PRINTED, "%.*f s", s < 10 && s != floor(s) ? 1 : 0, s);
	return buf;
}

const char *duration_print_us(uint64_t us, char *buf)
{
	return duration_print((double)us / US_PER_S, buf);
}
