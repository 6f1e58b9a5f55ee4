/* Windows of time that recur, in the notation of systemd.time(7): "Sun *-*-* 02:00..04:00
 * Europe/Berlin "kernel updates"". Without "..04:00" and the text in quotes it is a calendar event
 * of systemd, and begins when `systemd-analyze calendar` says; tests/unit/test_calendar.c compares
 * the two. Pure.
 *
 *   [WEEKDAYS] [DATE] BEGIN..END [ZONE] ["TEXT"]
 *   WEEKDAYS   Sun   Mon..Fri   Sat,Sun
 *   DATE       *-*-*   2026-12-24   *-01,07-01   *-*-1..7   *-*-1/7   *-*~1 (the last of a month)
 *   BEGIN      02:00   02:00:30
 *   END        the next such time after BEGIN, at most 24 h later: 22:00..02:00 ends the next day
 *   ZONE       a name of tzdata, or UTC; none: local time
 *
 * Refused, with a reason: names such as "weekly", several times of day, fractions of seconds. When
 * summer time begins, local clocks skip an hour. A BEGIN in that hour gives no window on that day,
 * and an END in it is the moment of the change. When summer time ends, local clocks show an hour
 * twice; the first of the two counts. */
#ifndef PENSTOCK_CORE_CALENDAR_H
#define PENSTOCK_CORE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/zone.h"

#define CALENDAR_YEARS 4
#define CALENDAR_YEAR_MAX 2199 /* the last year of systemd; its first is 1970 */

struct calendar_years {
	uint16_t first, last, step;
};

struct calendar {
	uint8_t weekdays; /* bit 0: Sunday */
	unsigned years_count; /* 0: every year */
	struct calendar_years years[CALENDAR_YEARS];
	uint16_t months; /* bit 0: January */
	uint32_t days; /* bit 0: the first of a month, or with from_end the last */
	bool from_end;
	uint32_t begin_s, end_s; /* of the day; end_s <= begin_s: of the next one. 86400: 24:00 */
	char zone[48]; /* empty: local time */
	char text[64]; /* for people, printable ASCII; may be empty */
};

struct calendar_window {
	int64_t begin_s, end_s; /* of the epoch; end_s is not in it */
};

/* 0, or -EINVAL with the reason in `why` (160 bytes). */
int calendar_parse(const char *text, struct calendar *ret, char *why);
/* The first window that ends after `now_s`; it may have begun already. 0, or -ENOENT: there is none
 * before 2200. */
int calendar_next(const struct calendar *calendar, const struct zone *zone, int64_t now_s,
		  struct calendar_window *ret);

#endif
