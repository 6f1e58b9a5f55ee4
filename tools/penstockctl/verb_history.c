#include "penstockctl/verb_history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "base/text.h"
#include "publish/history_tell.h"
#include "store/frame.h"
#include "store/history.h"

#define LINES 24u /* lines of the table */
#define DAY_S 86400u
#define TEXT_MAX (1u << 20)

enum { FINE, SAID_NO, USAGE };

/* Parses a clock time and takes the last such time: at 02:00, 03:00 means yesterday's. */
static int parse_clock(const char *text, uint64_t now_s, uint64_t *ret)
{
	time_t now = (time_t)now_s, at;
	struct tm tm, day;
	const char *end;

	if (!localtime_r(&now, &day))
		return -EINVAL;
	tm = day;
	tm.tm_sec = 0;
	end = strptime(text, "%H:%M:%S", &tm);
	if (!end || *end) {
		tm = day;
		tm.tm_sec = 0;
		end = strptime(text, "%H:%M", &tm);
	}
	if (!end || *end)
		return -EINVAL;
	tm.tm_isdst = -1;
	at = mktime(&tm);
	if (at > now) {
		tm.tm_mday--;
		tm.tm_isdst = -1;
		at = mktime(&tm);
	}
	*ret = (uint64_t)at;
	return at < 0 ? -EINVAL : 0;
}

static int parse_date(const char *text, uint64_t *ret)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S",
					       "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, formats[i], &tm);
		time_t at;

		if (!end || *end)
			continue;
		at = i == 0 ? timegm(&tm) : mktime(&tm);
		*ret = (uint64_t)at;
		return at < 0 ? -EINVAL : 0;
	}
	return -EINVAL;
}

/* Parses a time as people write it: "03:00", "03:00:30" (the last such time), "2026-01-31 03:00",
 * "2026-01-31T03:00:00Z" (UTC), or a time ago: "2h". 0 or -EINVAL. `now_s`: CLOCK_REALTIME. */
static int parse_time(const char *text, uint64_t now_s, uint64_t *ret)
{
	uint64_t ago_us;

	if (parse_date(text, ret) == 0 || parse_clock(text, now_s, ret) == 0)
		return 0;
	if (parse_duration_us(text, &ago_us) < 0 || ago_us < US_PER_S || ago_us / US_PER_S > now_s)
		return -EINVAL;
	*ret = now_s - ago_us / US_PER_S;
	return 0;
}

int history_parse_until(const char *text, uint64_t now_s, uint64_t *ret_for_s)
{
	uint64_t at_s;
	time_t at;
	struct tm day;

	if (!strpbrk(text, ":-") || parse_time(text, now_s, &at_s) < 0)
		return -EINVAL;
	/* The last such time is known. The next one is a day later, which is not always 24
	 * hours. */
	if (!strchr(text, '-')) {
		at = (time_t)at_s;
		if (!localtime_r(&at, &day))
			return -EINVAL;
		day.tm_mday++;
		day.tm_isdst = -1;
		at = mktime(&day);
		if (at < 0)
			return -EINVAL;
		at_s = (uint64_t)at;
	}
	if (at_s <= now_s)
		return -ERANGE;
	*ret_for_s = at_s - now_s;
	return 0;
}

static int take_time(const char *option, const char *text, uint64_t now_s, uint64_t *at_s)
{
	if (!text || parse_time(text, now_s, at_s) == 0)
		return 0;
	fprintf(stderr,
		"penstockctl: %s %s: give a time like 03:00 or \"2026-01-31 03:00\", or 2h (so long ago)\n",
		option, text);
	return -1;
}

static int cannot(const char *state_dir, int r)
{
	fprintf(stderr, "penstockctl: cannot read %s/history: it %s%s\n", state_dir,
		r == -ENOENT   ? "is not there"
		: r == -EACCES ? "is for root and penstock to read"
			       : frame_error(r),
		r == -ENOENT ? ": penstockd has not run here, or has another daemon.state_dir (-c)"
			     : "");
	return SAID_NO;
}

static int print_json(const struct history_record *records, size_t count)
{
	json_t *json = history_json(records, count, true);

	if (!json)
		return SAID_NO;
	json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(json);
	return FINE;
}

int show_history(const char *state_dir, const char *since, const char *until, bool json)
{
	uint64_t now_s = clock_realtime_us() / US_PER_S, since_s = now_s - DAY_S,
		 until_s = now_s + 1;
	_cleanup_free_ struct history_record *records = NULL;
	_cleanup_free_ char *buffer = malloc(TEXT_MAX);
	size_t count = 0;
	int r;

	if (take_time("--since", since, now_s, &since_s) < 0 ||
	    take_time("--until", until, now_s, &until_s) < 0)
		return USAGE;
	if (since_s >= until_s) {
		fprintf(stderr, "penstockctl: --since is not before --until\n");
		return USAGE;
	}
	r = history_read(state_dir, now_s, since_s, until_s, &records, &count);
	if (r < 0)
		return cannot(state_dir, r);
	if (json)
		return print_json(records, count);
	if (buffer) {
		struct text out = { .data = buffer, .size = TEXT_MAX };

		buffer[0] = 0;
		history_sentences(records, count, &out);
		if (count)
			text_append(&out, "\n");
		history_table(records, count, LINES, &out);
		fputs(buffer, stdout);
	}
	return FINE;
}
