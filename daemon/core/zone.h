/* The rules of a time zone: from the bytes of a TZif file (RFC 8536; tzdata installs them under
 * /usr/share/zoneinfo) to the offset from UTC at any time. Pure: config/zone_file.h reads the file.
 *
 * Example: Europe/Berlin has 7200 s on 2026-07-01 and 3600 s on 2026-12-01. */
#ifndef PENSTOCK_CORE_ZONE_H
#define PENSTOCK_CORE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_DAY_S 86400 /* without leap seconds, as in POSIX */
#define ZONE_CHANGES 256
#define ZONE_FILE_MAX 65536 /* bytes; the largest of tzdata has 4,000 */

/* A day of the year on which the clocks change, as in TZ of POSIX. */
struct zone_day {
	enum { ZONE_DAY_JULIAN, ZONE_DAY_COUNT, ZONE_DAY_MONTH } kind; /* "J59", "59", "M3.5.0" */
	uint16_t day; /* JULIAN: 1..365, 29 February is never counted; COUNT: 0..365 */
	uint8_t month, week, weekday; /* MONTH: 1..12, 1..5 (5: the last), 0 is Sunday */
	int32_t time_s; /* local time of that day, -167 h to 167 h */
};

/* Zeros: UTC. */
struct zone {
	unsigned changes;
	int64_t at_s[ZONE_CHANGES]; /* of the epoch, rising */
	int32_t offset_s[ZONE_CHANGES]; /* valid from then on */
	int32_t first_offset_s; /* before the first change */
	bool ruled; /* after the last change the rule below applies */
	int32_t standard_s, summer_s;
	bool summer; /* there is summer time */
	struct zone_day begin, end; /* of summer time */
};

/* 0, or -EINVAL: this is no TZif file, or one that counts leap seconds. */
int zone_parse(const void *bytes, size_t size, struct zone *ret);
/* Local time minus UTC, in seconds, at `utc_s` of the epoch. */
int32_t zone_offset(const struct zone *zone, int64_t utc_s);
/* The times at which local clocks show `local_s` (seconds since 1970-01-01 00:00 local time), in
 * order: none if the clocks skip it, two if they go back over it, else one. Returns how many. */
unsigned zone_utc(const struct zone *zone, int64_t local_s, int64_t ret_utc_s[2]);

/* Days since 1970-01-01 of a date, and back (H. Hinnant, chrono-compatible low-level date
 * algorithms). Month and day from 1. */
int64_t zone_days(int year, unsigned month, unsigned day);
void zone_date(int64_t days, int *ret_year, unsigned *ret_month, unsigned *ret_day);
unsigned zone_month_days(int year, unsigned month);
/* 0: Sunday. */
unsigned zone_weekday(int64_t days);

#endif
