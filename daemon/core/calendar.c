#include "core/calendar.h"

#include <errno.h>

static bool year_matches(const struct calendar *c, int year)
{
	for (unsigned i = 0; i < c->years_count; i++) {
		const struct calendar_years *y = &c->years[i];

		if (year >= y->first && year <= y->last &&
		    (year == y->first || (y->step && (year - y->first) % y->step == 0)))
			return true;
	}
	return !c->years_count;
}

static bool day_matches(const struct calendar *c, int year, unsigned month, unsigned day)
{
	unsigned index = c->from_end ? zone_month_days(year, month) - day : day - 1;

	return c->days & (1u << index);
}

/* The end of the window that began at `begin_s` of the epoch on this day (1970-01-01 is day 0). */
static int64_t end_of(const struct calendar *c, const struct zone *zone, int64_t day,
		      int64_t begin_s)
{
	int64_t local = day * ZONE_DAY_S + c->end_s + (c->end_s <= c->begin_s ? ZONE_DAY_S : 0);
	int64_t utc[2];
	unsigned n = zone_utc(zone, local, utc);

	for (unsigned i = 0; i < n; i++)
		if (utc[i] > begin_s)
			return utc[i];
	/* Local clocks skip this time. The end is the moment at which they do, found by
	 * bisection. */
	for (int64_t low = begin_s, high = begin_s + 2 * ZONE_DAY_S;;) {
		int64_t middle = low + (high - low) / 2;

		if (high - low <= 1)
			return high;
		if (middle + zone_offset(zone, middle) >= local)
			high = middle;
		else
			low = middle;
	}
}

int calendar_next(const struct calendar *c, const struct zone *zone, int64_t now_s,
		  struct calendar_window *ret)
{
	int64_t local = now_s + zone_offset(zone, now_s), utc[2];
	/* Begin two days earlier: a window of yesterday may still be in force. */
	int64_t day = (local >= 0 ? local : local - (ZONE_DAY_S - 1)) / ZONE_DAY_S - 2;
	unsigned month, of_month;
	int year;

	zone_date(day, &year, &month, &of_month);
	while (year <= CALENDAR_YEAR_MAX) {
		if (!year_matches(c, year)) {
			day = zone_days(++year, month = 1, of_month = 1);
			continue;
		}
		if (c->months & (1u << (month - 1)))
			for (unsigned length = zone_month_days(year, month); of_month <= length;
			     of_month++, day++) {
				int64_t begin = day * ZONE_DAY_S + c->begin_s, end;

				if (!(c->weekdays & (1u << zone_weekday(day))) ||
				    !day_matches(c, year, month, of_month) ||
				    !zone_utc(zone, begin, utc))
					continue;
				end = end_of(c, zone, day, utc[0]);
				if (end <= now_s)
					continue;
				*ret = (struct calendar_window){ .begin_s = utc[0], .end_s = end };
				return 0;
			}
		of_month = 1;
		if (++month > 12) {
			month = 1;
			year++;
		}
		if (year <= CALENDAR_YEAR_MAX)
			day = zone_days(year, month, 1);
	}
	return -ENOENT;
}
