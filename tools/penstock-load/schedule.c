#include "penstock-load/schedule.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "core/splitmix.h"

int schedule_parse(const char *text, struct schedule *ret)
{
	unsigned n = 0;
	char *end;

	for (;;) {
		double at = strtod(text, &end), rate;

		if (end == text || *end != ':' || n == SCHEDULE_STEPS || !(at >= 0) || at > 86400 ||
		    (n ? at <= ret->step[n - 1].at_s : at != 0))
			return -EINVAL;
		text = end + 1;
		rate = strtod(text, &end);
		if (end == text || !(rate >= 0) || rate > 1e6)
			return -EINVAL;
		ret->step[n].at_s = at;
		ret->step[n++].rate = rate;
		if (*end == 0)
			break;
		if (*end != ',')
			return -EINVAL;
		text = end + 1;
	}
	ret->steps = n;
	return 0;
}

static double end_of(const struct schedule *s, unsigned step)
{
	return step + 1 < s->steps ? fmin(s->step[step + 1].at_s, s->end_s) : s->end_s;
}

double schedule_next(struct schedule *s)
{
	/* The integral of the rate up to the next message is 1 on average; a step may end before
	 * that. */
	double left = s->poisson ? -log(1 - splitmix_unit(&s->random)) : 1;

	for (unsigned i = 0; i < s->steps; i++) {
		double end = end_of(s, i), room;

		if (s->next_s >= end)
			continue;
		if (s->next_s < s->step[i].at_s)
			s->next_s = s->step[i].at_s;
		room = (end - s->next_s) * s->step[i].rate;
		if (left < room) {
			s->next_s += left / s->step[i].rate;
			return s->next_s;
		}
		left -= room;
		s->next_s = end;
	}
	return -1;
}
