#include "core/zone.h"

#include <errno.h>
#include <string.h>

#define HEADER 44
#define OFFSET_MAX (26 * 3600) /* no zone is farther from UTC: RFC 8536, 3.2 */

int64_t zone_days(int year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400, m = month > 2 ? month - 3 : month + 9;
	int64_t of_year = (153 * m + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void zone_date(int64_t days, int *ret_year, unsigned *ret_month, unsigned *ret_day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day = z - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t of_year = day - (365 * year + year / 4 - year / 100), m = (5 * of_year + 2) / 153;

	*ret_day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
	*ret_month = (unsigned)(m < 10 ? m + 3 : m - 9);
	*ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

unsigned zone_month_days(int year, unsigned month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[(month - 1) % 12] + (month == 2 && is_leap(year));
}

unsigned zone_weekday(int64_t days)
{
	return (unsigned)(((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

/* ---- POSIX' TZ, the last line of the file --------------------------------------------------- */

static bool get_number(const char **at, unsigned most, unsigned *ret)
{
	unsigned value = 0, digits = 0;

	for (; **at >= '0' && **at <= '9' && digits < 4; (*at)++, digits++)
		value = value * 10 + (unsigned)(**at - '0');
	*ret = value;
	return digits > 0 && value <= most;
}

/* "EST" or "<+03>". */
static bool skip_name(const char **at)
{
	const char *from = *at;

	if (*from == '<') {
		*at += strcspn(from, ">");
		if (**at != '>')
			return false;
		(*at)++;
		return true;
	}
	while ((**at >= 'a' && **at <= 'z') || (**at >= 'A' && **at <= 'Z'))
		(*at)++;
	return *at - from >= 3;
}

/* "[+-]hh[:mm[:ss]]" */
static bool get_time(const char **at, int32_t *ret_s)
{
	unsigned hours, minutes = 0, seconds = 0;
	bool negative = **at == '-';

	if (**at == '-' || **at == '+')
		(*at)++;
	if (!get_number(at, 167, &hours))
		return false;
	if (**at == ':' && ((*at)++, !get_number(at, 59, &minutes)))
		return false;
	if (**at == ':' && ((*at)++, !get_number(at, 59, &seconds)))
		return false;
	*ret_s = (int32_t)(hours * 3600 + minutes * 60 + seconds) * (negative ? -1 : 1);
	return true;
}

/* ",M3.5.0/3" */
static bool get_day(const char **at, struct zone_day *ret)
{
	struct zone_day day = { .time_s = 2 * 3600 };
	unsigned month, week, weekday, number;

	if (*(*at)++ != ',')
		return false;
	if (**at == 'M') {
		(*at)++;
		if (!get_number(at, 12, &month) || *(*at)++ != '.' || !get_number(at, 5, &week) ||
		    *(*at)++ != '.' || !get_number(at, 6, &weekday) || !month || !week)
			return false;
		day.kind = ZONE_DAY_MONTH;
		day.month = (uint8_t)month;
		day.week = (uint8_t)week;
		day.weekday = (uint8_t)weekday;
	} else {
		day.kind = **at == 'J' ? ZONE_DAY_JULIAN : ZONE_DAY_COUNT;
		*at += **at == 'J';
		if (!get_number(at, 365, &number) || (day.kind == ZONE_DAY_JULIAN && !number))
			return false;
		day.day = (uint16_t)number;
	}
	if (**at == '/' && ((*at)++, !get_time(at, &day.time_s)))
		return false;
	*ret = day;
	return true;
}

/* "CET-1CEST,M3.5.0,M10.5.0/3". */
static int parse_rule(const char *text, struct zone *zone)
{
	int32_t offset;

	if (!skip_name(&text) || !get_time(&text, &offset))
		return -EINVAL;
	zone->standard_s = -offset;
	zone->summer_s = zone->standard_s + 3600;
	if (*text) {
		if (!skip_name(&text))
			return -EINVAL;
		if (*text != ',') {
			if (!get_time(&text, &offset))
				return -EINVAL;
			zone->summer_s = -offset;
		}
		if (!get_day(&text, &zone->begin) || !get_day(&text, &zone->end) || *text)
			return -EINVAL;
		zone->summer = true;
	}
	if (zone->standard_s < -OFFSET_MAX || zone->standard_s > OFFSET_MAX ||
	    zone->summer_s < -OFFSET_MAX || zone->summer_s > OFFSET_MAX)
		return -EINVAL;
	zone->ruled = true;
	return 0;
}

/* Local time of a change in a year, in seconds of 1970-01-01 00:00 local time. */
static int64_t change_at(const struct zone_day *day, int year)
{
	int64_t first, days;
	unsigned length;

	if (day->kind == ZONE_DAY_MONTH) {
		first = zone_days(year, day->month, 1);
		length = zone_month_days(year, day->month);
		days = (day->weekday + 7 - zone_weekday(first)) % 7 + 7 * (day->week - 1);
		if (days >= length)
			days -= 7;
		return (first + days) * ZONE_DAY_S + day->time_s;
	}
	days = day->day;
	if (day->kind == ZONE_DAY_JULIAN)
		days -= !(is_leap(year) && day->day >= 60);
	return (zone_days(year, 1, 1) + days) * ZONE_DAY_S + day->time_s;
}

static int32_t rule_offset(const struct zone *zone, int64_t utc_s)
{
	int64_t begin, end;
	unsigned month, day;
	int year;

	if (!zone->summer)
		return zone->standard_s;
	utc_s += zone->standard_s;
	zone_date((utc_s >= 0 ? utc_s : utc_s - (ZONE_DAY_S - 1)) / ZONE_DAY_S, &year, &month,
		  &day);
	begin = change_at(&zone->begin, year);
	end = change_at(&zone->end, year) - (zone->summer_s - zone->standard_s);
	if (begin < end)
		return utc_s >= begin && utc_s < end ? zone->summer_s : zone->standard_s;
	return utc_s >= end && utc_s < begin ? zone->standard_s : zone->summer_s;
}

/* ---- TZif ----------------------------------------------------------------------------------- */

struct header {
	uint8_t version;
	uint32_t isutcs, isstds, leaps, times, types, chars;
};

static uint32_t get_32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t get_64(const uint8_t *at)
{
	return (int64_t)((uint64_t)get_32(at) << 32 | get_32(at + 4));
}

static int get_header(const uint8_t *at, size_t size, struct header *ret)
{
	if (size < HEADER || memcmp(at, "TZif", 4) != 0)
		return -EINVAL;
	*ret = (struct header){ .version = at[4],
				.isutcs = get_32(at + 20),
				.isstds = get_32(at + 24),
				.leaps = get_32(at + 28),
				.times = get_32(at + 32),
				.types = get_32(at + 36),
				.chars = get_32(at + 40) };
	if (ret->isutcs > 256 || ret->isstds > 256 || ret->leaps || ret->times > 10000 ||
	    ret->types == 0 || ret->types > 256 || ret->chars > 1024)
		return -EINVAL;
	return 0;
}

static size_t block_size(const struct header *h, unsigned time)
{
	return (size_t)h->times * (time + 1) + (size_t)h->types * 6 + h->chars + h->isstds +
	       h->isutcs;
}

/* Takes the last ZONE_CHANGES changes: no window lies before this century. */
static int get_block(const uint8_t *at, const struct header *h, unsigned time, struct zone *zone)
{
	const uint8_t *kinds = at + (size_t)h->times * time, *types = kinds + h->times;
	unsigned from = h->times > ZONE_CHANGES ? h->times - ZONE_CHANGES : 0;

	zone->first_offset_s = (int32_t)get_32(types + 6 * (from ? kinds[from - 1] % h->types : 0));
	for (unsigned i = from; i < h->times; i++) {
		int64_t when = time == 8 ? get_64(at + 8 * (size_t)i)
					 : (int32_t)get_32(at + 4 * (size_t)i);

		if (kinds[i] >= h->types || (i > from && when <= zone->at_s[i - from - 1]))
			return -EINVAL;
		zone->at_s[i - from] = when;
		zone->offset_s[i - from] = (int32_t)get_32(types + 6 * (size_t)kinds[i]);
		if (zone->offset_s[i - from] < -OFFSET_MAX || zone->offset_s[i - from] > OFFSET_MAX)
			return -EINVAL;
	}
	zone->changes = h->times - from;
	return zone->first_offset_s < -OFFSET_MAX || zone->first_offset_s > OFFSET_MAX ? -EINVAL
										       : 0;
}

/* "\nRULE\n" behind the second block. Empty: the last change is valid for ever. */
static int get_footer(const uint8_t *at, size_t size, struct zone *zone)
{
	char rule[80];
	size_t n = 0;

	if (size < 2 || at[0] != '\n')
		return -EINVAL;
	for (at++, size--; n < size && at[n] != '\n'; n++)
		if (n == sizeof(rule) - 1 || !at[n])
			return -EINVAL;
	if (n == size)
		return -EINVAL;
	memcpy(rule, at, n);
	rule[n] = 0;
	return n ? parse_rule(rule, zone) : 0;
}

int zone_parse(const void *bytes, size_t size, struct zone *ret)
{
	struct zone zone = { 0 };
	const uint8_t *at = bytes;
	unsigned time = 4;
	struct header h;
	size_t block;

	if (get_header(at, size, &h) < 0)
		return -EINVAL;
	block = block_size(&h, time);
	at += HEADER;
	size -= HEADER;
	if (h.version) { /* skip the first block, which has 32-bit times */
		if (size < block)
			return -EINVAL;
		at += block;
		size -= block;
		if (get_header(at, size, &h) < 0)
			return -EINVAL;
		at += HEADER;
		size -= HEADER;
		time = 8;
		block = block_size(&h, time);
	}
	if (size < block || get_block(at, &h, time, &zone) < 0)
		return -EINVAL;
	if (time == 8 && get_footer(at + block, size - block, &zone) < 0)
		return -EINVAL;
	*ret = zone;
	return 0;
}

int32_t zone_offset(const struct zone *zone, int64_t utc_s)
{
	unsigned low = 0, high = zone->changes;

	if (zone->ruled && (!zone->changes || utc_s >= zone->at_s[zone->changes - 1]))
		return rule_offset(zone, utc_s);
	while (low < high) { /* the first change after utc_s */
		unsigned middle = (low + high) / 2;

		if (zone->at_s[middle] <= utc_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? zone->offset_s[low - 1] : zone->first_offset_s;
}

unsigned zone_utc(const struct zone *zone, int64_t local_s, int64_t ret_utc_s[2])
{
	/* The offsets of the day before and the day after: a day has at most one change. */
	int32_t offset[2] = { zone_offset(zone, local_s - 2 * ZONE_DAY_S),
			      zone_offset(zone, local_s + 2 * ZONE_DAY_S) };
	unsigned count = 0;

	for (unsigned i = 0; i < 2; i++) {
		int64_t utc = local_s - offset[i];

		if ((i && offset[1] == offset[0]) || zone_offset(zone, utc) != offset[i])
			continue;
		ret_utc_s[count++] = utc;
	}
	if (count == 2 && ret_utc_s[0] > ret_utc_s[1]) {
		int64_t later = ret_utc_s[0];

		ret_utc_s[0] = ret_utc_s[1];
		ret_utc_s[1] = later;
	}
	return count;
}
