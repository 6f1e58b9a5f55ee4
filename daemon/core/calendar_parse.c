/* Parses the notation of a calendar (core/calendar.h). */
#include "core/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WHY_MAX 160
#define WORD_MAX 64

/* ---- words ---------------------------------------------------------------------------------- */

/* Copies the next word at `*at` to `word`. False at the end, or if the word is too long. */
static bool get_word(const char **at, char word[WORD_MAX])
{
	size_t n;

	*at += strspn(*at, " \t");
	n = strcspn(*at, " \t");
	if (!n || n >= WORD_MAX)
		return false;
	memcpy(word, *at, n);
	word[n] = 0;
	*at += n;
	return true;
}

static bool get_number(const char **at, unsigned *ret)
{
	unsigned value = 0, digits = 0;

	for (; **at >= '0' && **at <= '9' && digits < 4; (*at)++, digits++)
		value = value * 10 + (unsigned)(**at - '0');
	*ret = value;
	return digits > 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* "Sun" or "Sunday". 0 is Sunday. */
static bool get_weekday(const char **at, unsigned *ret)
{
	static const char *const names[] = { "sunday",	 "monday", "tuesday", "wednesday",
					     "thursday", "friday", "saturday" };
	size_t n = 0;

	while (lower((*at)[n]) >= 'a' && lower((*at)[n]) <= 'z')
		n++;
	for (unsigned i = 0; i < 7; i++) {
		size_t same = 0;

		while (same < n && lower((*at)[same]) == names[i][same])
			same++;
		if (same != n || (n != 3 && names[i][n]))
			continue;
		*at += n;
		*ret = i;
		return true;
	}
	return false;
}

/* The number of a day in a week that begins on Monday. */
static unsigned of_week(unsigned weekday)
{
	return (weekday + 6) % 7;
}

static bool parse_weekdays(const char *word, uint8_t *ret)
{
	unsigned first, last;
	uint8_t days = 0;

	do {
		if (!get_weekday(&word, &first))
			return false;
		last = first;
		if (strncmp(word, "..", 2) == 0) {
			word += 2;
			if (!get_weekday(&word, &last) || of_week(last) < of_week(first))
				return false;
		}
		for (unsigned i = first;; i = (i + 1) % 7) {
			days |= (uint8_t)(1u << i);
			if (i == last)
				break;
		}
	} while (*word == ',' && word++);
	*ret = days;
	return !*word;
}

/* ---- the date ------------------------------------------------------------------------------- */

/* One element of a list: "5", "5..10", "5/2" (up to the largest value), "5..10/2". Step 0: a single
 * value. */
static bool get_range(const char **at, unsigned least, unsigned most, struct calendar_years *ret,
		      bool *ret_open)
{
	unsigned first, last, step = 0;

	if (!get_number(at, &first))
		return false;
	last = first;
	if (strncmp(*at, "..", 2) == 0) {
		*at += 2;
		step = 1;
		if (!get_number(at, &last))
			return false;
	}
	*ret_open = **at == '/' && !step;
	if (**at == '/') {
		(*at)++;
		if (*ret_open)
			last = most;
		if (!get_number(at, &step) || !step)
			return false;
	}
	if (first < least || last > most || last < first)
		return false;
	*ret = (struct calendar_years){ .first = (uint16_t)first,
					.last = (uint16_t)last,
					.step = (uint16_t)step };
	return true;
}

static bool parse_years(const char **at, struct calendar *c)
{
	bool open;

	if (**at == '*') {
		(*at)++;
		return true;
	}
	do {
		if (c->years_count == CALENDAR_YEARS ||
		    !get_range(at, 1970, CALENDAR_YEAR_MAX, &c->years[c->years_count++], &open))
			return false;
	} while (**at == ',' && (*at)++);
	return true;
}

/* A set of months or days. With `from_end`, days are counted from the end of the month, and a range
 * is stepped through in the order of time. */
static bool parse_set(const char **at, unsigned most, bool from_end, uint32_t *ret)
{
	struct calendar_years range;
	uint32_t set = 0;
	bool open;

	if (**at == '*') {
		(*at)++;
		*ret = UINT32_MAX;
		return true;
	}
	do {
		if (!get_range(at, 1, most, &range, &open))
			return false;
		if (!range.step)
			range.step = 1;
		if (!from_end) {
			for (unsigned i = range.first; i <= range.last; i += range.step)
				set |= 1u << (i - 1);
		} else {
			/* "~7/1": the seventh last and all after it. */
			unsigned i = open ? range.first : range.last;
			unsigned least = open ? 1 : range.first;

			for (; i >= least; i -= range.step) {
				set |= 1u << (i - 1);
				if (i < range.step)
					break;
			}
		}
	} while (**at == ',' && (*at)++);
	*ret = set;
	return true;
}

/* "YEAR-MONTH-DAY" or "MONTH-DAY", with ~ before a day that is counted from the end. */
static bool parse_date(const char *word, struct calendar *c)
{
	unsigned dashes = 0;
	uint32_t months;

	for (const char *at = word; *at; at++)
		dashes += *at == '-' || *at == '~';
	if (dashes == 2 && (!parse_years(&word, c) || *word++ != '-'))
		return false;
	if ((dashes != 1 && dashes != 2) || !parse_set(&word, 12, false, &months) ||
	    (*word != '-' && *word != '~'))
		return false;
	c->months = (uint16_t)(months & 0xfff);
	c->from_end = *word++ == '~';
	if (!parse_set(&word, 31, c->from_end, &c->days) || *word)
		return false;
	if (c->from_end && c->days == UINT32_MAX)
		c->from_end = false; /* "*~*" is every day */
	return true;
}

/* ---- the time ------------------------------------------------------------------------------- */

static bool get_time(const char **at, uint32_t *ret_s)
{
	unsigned hours, minutes, seconds = 0;

	if (!get_number(at, &hours) || *(*at)++ != ':' || !get_number(at, &minutes))
		return false;
	if (**at == ':' && ((*at)++, !get_number(at, &seconds)))
		return false;
	if (hours > 24 || minutes > 59 || seconds > 59 || (hours == 24 && (minutes || seconds)))
		return false;
	*ret_s = hours * 3600 + minutes * 60 + seconds;
	return true;
}

static bool parse_times(const char *word, struct calendar *c)
{
	return get_time(&word, &c->begin_s) && c->begin_s < ZONE_DAY_S &&
	       strncmp(word, "..", 2) == 0 && (word += 2, get_time(&word, &c->end_s)) && !*word;
}

/* The name becomes part of a path. */
static bool parse_zone(const char *word, struct calendar *c)
{
	if (strlen(word) >= sizeof(c->zone) || word[0] == '/')
		return false;
	/* Without a dot the path stays below the directory of zones; no zone has one in its
	 * name. */
	for (const char *at = word; *at; at++)
		if (!(lower(*at) >= 'a' && lower(*at) <= 'z') && !(*at >= '0' && *at <= '9') &&
		    !strchr("/_+-", *at))
			return false;
	memcpy(c->zone, word, strlen(word) + 1);
	return true;
}

static int parse_text(const char *at, struct calendar *c, char *why)
{
	size_t n = strcspn(at + 1, "\"");

	if (at[0] != '"' || at[1 + n] != '"' || at[2 + n + strspn(at + 2 + n, " \t")]) {
		snprintf(
			why, WHY_MAX,
			"the text stands last, in double quotes, without \" and without a # or ; behind a blank");
		return -EINVAL;
	}
	if (n >= sizeof(c->text)) {
		snprintf(why, WHY_MAX, "the text has more than %zu characters",
			 sizeof(c->text) - 1);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++)
		if (at[1 + i] < ' ' || at[1 + i] > '~') {
			snprintf(why, WHY_MAX, "the text has a character that is not ASCII");
			return -EINVAL;
		}
	memcpy(c->text, at + 1, n);
	c->text[n] = 0;
	return 0;
}

/* Whether such a day exists in any year: "*-02-30" never comes. */
static bool comes_ever(const struct calendar *c)
{
	for (unsigned m = 1; m <= 12; m++)
		if ((c->months & (1u << (m - 1))) &&
		    (c->days & ((UINT64_C(1) << zone_month_days(2024, m)) - 1)))
			return true;
	return false;
}

int calendar_parse(const char *text, struct calendar *ret, char *why)
{
	struct calendar c = { .weekdays = 0x7f, .months = 0xfff, .days = UINT32_MAX };
	const char *at = text;
	char word[WORD_MAX] = "";
	bool more = get_word(&at, word);

	if (more && get_weekday(&(const char *){ word }, &(unsigned){ 0 })) {
		if (!parse_weekdays(word, &c.weekdays)) {
			snprintf(why, WHY_MAX,
				 "'%.40s' are no weekdays such as Sun, Mon..Fri or Sat,Sun", word);
			return -EINVAL;
		}
		more = get_word(&at, word);
	}
	if (more && !strchr(word, ':') && word[strcspn(word, "-~")]) {
		if (!parse_date(word, &c)) {
			snprintf(why, WHY_MAX,
				 "'%.40s' is no date such as *-*-*, 2026-12-24, *-*-1..7 or *-*~1",
				 word);
			return -EINVAL;
		}
		more = get_word(&at, word);
	}
	if (!more || !parse_times(word, &c)) {
		snprintf(why, WHY_MAX,
			 "'%.40s' is no begin and end such as 02:00..04:00; the whole is "
			 "[WEEKDAYS] [DATE] BEGIN..END [ZONE] [\"TEXT\"]",
			 more ? word : text);
		return -EINVAL;
	}
	if (c.begin_s == c.end_s % ZONE_DAY_S) {
		snprintf(why, WHY_MAX, "it ends when it begins: maintenance would never end");
		return -EINVAL;
	}
	at += strspn(at, " \t");
	if (*at && *at != '"') {
		if (!get_word(&at, word) || !parse_zone(word, &c)) {
			snprintf(why, WHY_MAX,
				 "'%.40s' is no time zone such as Europe/Berlin or UTC", at);
			return -EINVAL;
		}
		at += strspn(at, " \t");
	}
	if (*at && parse_text(at, &c, why) < 0)
		return -EINVAL;
	if (!comes_ever(&c)) {
		snprintf(why, WHY_MAX, "no year has such a day");
		return -EINVAL;
	}
	*ret = c;
	return 0;
}
