/* Maintenance windows are systemd's calendar events with an end: the parser against
 * `systemd-analyze calendar`, the time zones against libc. */
#include <time.h>
#include <unistd.h>

#include "cmocka_test.h"

#include "base/array.h"
#include "core/calendar.h"

#define ZONEINFO "/usr/share/zoneinfo/"

static int load(const char *name, struct zone *ret)
{
	static uint8_t bytes[ZONE_FILE_MAX];
	char path[200];
	FILE *file;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	if (strcmp(name, "UTC") == 0)
		return 0;
	snprintf(path, sizeof(path), ZONEINFO "%s", name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	return zone_parse(bytes, n, ret);
}

static bool zones_are_here(void)
{
	bool here = access(ZONEINFO "Europe/Berlin", R_OK) == 0;

	if (!here)
		print_message("skipped: no time zone database here (package tzdata)\n");
	return here;
}

static int64_t utc(int year, unsigned month, unsigned day, unsigned hour, unsigned minute)
{
	return zone_days(year, month, day) * 86400 + hour * 3600 + minute * 60;
}

static void dates_are_those_of_libc(void **state)
{
	for (int64_t day = -3000; day < 84000; day += 13) {
		time_t t = (time_t)(day * 86400);
		struct tm tm;
		unsigned month, of_month;
		int year;

		gmtime_r(&t, &tm);
		zone_date(day, &year, &month, &of_month);
		assert_int_equal(year, tm.tm_year + 1900);
		assert_int_equal(month, tm.tm_mon + 1);
		assert_int_equal(of_month, tm.tm_mday);
		assert_int_equal(zone_weekday(day), tm.tm_wday);
		assert_int_equal(zone_days(year, month, of_month), day);
	}
}

/* Each hour near a change, and far behind the last that the file lists: there its rule counts. */
static void offsets_are_those_of_libc(void **state)
{
	static const char *const names[] = { "Europe/Berlin",	    "America/New_York",
					     "Australia/Lord_Howe", "America/Sao_Paulo",
					     "Asia/Kathmandu",	    "Africa/Casablanca",
					     "Europe/Dublin",	    "Asia/Gaza",
					     "America/Nuuk",	    "Pacific/Auckland" };
	struct zone zone;

	if (!zones_are_here())
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (load(names[i], &zone) < 0)
			continue; /* left out of this tzdata */
		setenv("TZ", names[i], 1);
		tzset();
		for (int64_t t = utc(2020, 1, 1, 0, 0); t < utc(2060, 1, 1, 0, 0); t += 3541) {
			time_t when = (time_t)t;
			struct tm tm;

			localtime_r(&when, &tm);
			if (zone_offset(&zone, t) != tm.tm_gmtoff)
				fail_msg("%s at %lld: %d, libc has %ld", names[i], (long long)t,
					 zone_offset(&zone, t), tm.tm_gmtoff);
		}
	}
	unsetenv("TZ");
	tzset();
}

/* Times of systemd-analyze in UTC: how many, or -1: it refuses the words. */
static int ask_systemd(const char *event, int64_t base_s, int64_t *ret, int most)
{
	char command[400], line[200], day[4];
	unsigned year, month, of_month, hour, minute, second;
	int count = 0;
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "TZ=UTC SYSTEMD_COLORS=0 systemd-analyze calendar --iterations=%d "
		 "--base-time=@%lld '%s' 2>/dev/null",
		 most, (long long)base_s, event);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		const char *at = strstr(line, "Next elapse: ");

		if (!at && strstr(line, "Iter. #"))
			at = strchr(line, ':');
		if (!at || sscanf(strchr(at, ':') + 1, " %3s %u-%u-%u %u:%u:%u", day, &year, &month,
				  &of_month, &hour, &minute, &second) != 7)
			continue;
		if (count < most)
			ret[count++] =
				utc((int)year, month, of_month, hour, minute) + (int64_t)second;
	}
	return pclose(pipe) == 0 ? count : -1;
}

#define TIMES 9

/* What systemd is asked, too. */
static const struct {
	const char *date, *zone;
} events[] = {
	{ "Sun *-*-* 02:00", "Europe/Berlin" },
	{ "Sun *-*-* 02:30", "Europe/Berlin" }, /* over which the clocks go, once a year */
	{ "*-*-* 02:30", "America/New_York" },
	{ "*-*-* 01:30", "America/New_York" }, /* that they show twice, once a year */
	{ "*-*-* 02:15", "Australia/Lord_Howe" }, /* half an hour */
	{ "Mon..Fri 3:30", "UTC" },
	{ "Sat,Sun *-*-* 23:59:59", "Asia/Kathmandu" },
	{ "monday,Thursday..Sat 04:05", "UTC" },
	{ "*-*-1 00:00", "Europe/Berlin" },
	{ "*-*-1..7 05:00", "UTC" },
	{ "Tue *-*-8..14 05:00", "Europe/Berlin" }, /* the second Tuesday */
	{ "*-*-1/7 06:00", "UTC" },
	{ "*-*-2..20/5 06:00", "UTC" },
	{ "*-*-1,15,31 06:00", "UTC" },
	{ "*-*~1 22:00", "Europe/Berlin" }, /* the last of a month */
	{ "Sun *-*~07/1 02:00", "Europe/Berlin" }, /* the last Sunday */
	{ "*-*~1..7/2 02:00", "UTC" },
	{ "*-02~1 02:00", "UTC" },
	{ "*-02-29 02:00", "UTC" },
	{ "*-1,4,7,10-01 02:00", "Europe/Berlin" },
	{ "*-3..5-30 02:00", "UTC" },
	{ "12-24 18:00", "Europe/Berlin" },
	{ "2026,2028..2030-06-01 02:00", "UTC" },
	{ "2026/3-06-01 02:00", "UTC" },
	{ "2027-03-28 02:30", "Europe/Berlin" }, /* never: the clocks go over it */
	{ "Fri *-*-13 13:13:13", "America/New_York" },
};

/* The windows of `calendar` after `base_s` begin when systemd says that `event` elapses. */
static void agrees_with_systemd(const struct calendar *calendar, const struct zone *zone,
				const char *event, int64_t base_s)
{
	int64_t theirs[TIMES], now = base_s;
	struct calendar_window w;
	int count = ask_systemd(event, base_s, theirs, TIMES);

	assert_true(count >= 0);
	for (int k = 0; k < count; k++) {
		do { /* systemd looks for what comes after the base */
			assert_int_equal(calendar_next(calendar, zone, now, &w), 0);
			now = w.end_s;
		} while (w.begin_s <= base_s);
		if (w.begin_s != theirs[k])
			fail_msg("%s, time %d: %lld, systemd has %lld", event, k,
				 (long long)w.begin_s, (long long)theirs[k]);
	}
	if (count < TIMES)
		assert_true(calendar_next(calendar, zone, now, &w) < 0);
}

static void begins_when_systemd_says(void **state)
{
	const int64_t bases[] = { utc(2026, 3, 1, 0, 0), utc(2026, 10, 20, 12, 34) };

	if (system("systemd-analyze --version >/dev/null 2>&1") != 0) {
		print_message("skipped: systemd-analyze is not here\n");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		char event[128], words[160], why[160] = "";
		struct calendar calendar;
		struct zone zone;

		if (load(events[i].zone, &zone) < 0)
			continue; /* no tzdata */
		snprintf(event, sizeof(event), "%s %s", events[i].date, events[i].zone);
		snprintf(words, sizeof(words), "%s..12:34:56 %s", events[i].date, events[i].zone);
		if (calendar_parse(words, &calendar, why) < 0)
			fail_msg("%s: %s", words, why);
		for (size_t b = 0; b < ARRAY_SIZE(bases); b++)
			agrees_with_systemd(&calendar, &zone, event, bases[b]);
	}
}

static struct calendar_window next(const char *words, const char *zone_name, int64_t now_s)
{
	struct calendar_window w = { 0 };
	struct calendar calendar;
	struct zone zone;
	char why[160];

	assert_int_equal(load(zone_name, &zone), 0);
	assert_int_equal(calendar_parse(words, &calendar, why), 0);
	assert_int_equal(calendar_next(&calendar, &zone, now_s, &w), 0);
	return w;
}

static void windows_end_as_written(void **state)
{
	struct calendar_window w = next("Sun 22:00..02:00 UTC", "UTC", utc(2026, 11, 29, 12, 0));

	assert_int_equal(w.begin_s, utc(2026, 11, 29, 22, 0));
	assert_int_equal(w.end_s, utc(2026, 11, 30, 2, 0));
	/* In force, and its last second. */
	w = next("Sun 22:00..02:00 UTC", "UTC", utc(2026, 11, 30, 2, 0) - 1);
	assert_int_equal(w.begin_s, utc(2026, 11, 29, 22, 0));
	w = next("Sun 22:00..02:00 UTC", "UTC", utc(2026, 11, 30, 2, 0));
	assert_int_equal(w.begin_s, utc(2026, 12, 6, 22, 0));
	w = next("*-*-* 20:00..24:00 UTC", "UTC", utc(2026, 12, 31, 0, 0));
	assert_int_equal(w.end_s, utc(2027, 1, 1, 0, 0));
	if (!zones_are_here())
		return;
	/* The clocks go back: 02:00 to 04:00 takes three hours. */
	w = next("Sun 02:00..04:00", "Europe/Berlin", utc(2026, 10, 24, 12, 0));
	assert_int_equal(w.begin_s, utc(2026, 10, 25, 0, 0));
	assert_int_equal(w.end_s, utc(2026, 10, 25, 3, 0));
	/* They go forward: 01:00 to 04:00 takes two. */
	w = next("Sun 01:00..04:00", "Europe/Berlin", utc(2026, 3, 28, 12, 0));
	assert_int_equal(w.begin_s, utc(2026, 3, 29, 0, 0));
	assert_int_equal(w.end_s, utc(2026, 3, 29, 2, 0));
	/* They go over its end. */
	w = next("Sun 01:00..02:30", "Europe/Berlin", utc(2026, 3, 28, 12, 0));
	assert_int_equal(w.end_s, utc(2026, 3, 29, 1, 0));
	/* And over its begin: none on that day. */
	w = next("Sun 02:30..04:00", "Europe/Berlin", utc(2026, 3, 28, 12, 0));
	assert_int_equal(w.begin_s, utc(2026, 4, 5, 0, 30));
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *words, *say;
	} bad[] = {
		{ "", "no begin and end" },
		{ "weekly", "no begin and end" },
		{ "02:00", "no begin and end" },
		{ "Sun", "no begin and end" },
		{ "02:00..25:00", "no begin and end" },
		{ "24:00..02:00", "no begin and end" },
		{ "02,03:00..04:00", "no begin and end" },
		{ "02:00..04:00.5", "no begin and end" },
		{ "02:00..02:00", "never end" },
		{ "00:00..24:00", "never end" },
		{ "Sun,Sum 02:00..04:00", "no weekdays" },
		{ "Sat..Mon 02:00..04:00", "no weekdays" },
		{ "*-13-01 02:00..04:00", "no date" },
		{ "*-*-0 02:00..04:00", "no date" },
		{ "*-*-7..1 02:00..04:00", "no date" },
		{ "*-*-1/0 02:00..04:00", "no date" },
		{ "26-01-01 02:00..04:00", "no date" },
		{ "1-2-3-4 02:00..04:00", "no date" },
		{ "*-02-30 02:00..04:00", "no year" },
		{ "*-04-31 02:00..04:00", "no year" },
		{ "02:00..04:00 ../../etc/passwd", "no time zone" },
		{ "02:00..04:00 /etc/localtime", "no time zone" },
		{ "02:00..04:00 UTC kernel", "in double quotes" },
		{ "02:00..04:00 \"kernel", "in double quotes" },
		{ "02:00..04:00 \"a\" \"b\"", "in double quotes" },
		{ "02:00..04:00 \"\xc3\xa4\"", "not ASCII" },
	};
	char why[160], words[200];
	struct calendar c;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		why[0] = 0;
		assert_int_not_equal(calendar_parse(bad[i].words, &c, why), 0);
		if (!strstr(why, bad[i].say))
			fail_msg("%s: %s", bad[i].words, why);
	}
	snprintf(words, sizeof(words), "02:00..04:00 \"%0*d\"", 64, 0);
	assert_int_not_equal(calendar_parse(words, &c, why), 0);
	assert_int_equal(
		calendar_parse("Sun *-*-* 02:00..04:00 Europe/Berlin \"kernel updates\"", &c, why),
		0);
	assert_string_equal(c.zone, "Europe/Berlin");
	assert_string_equal(c.text, "kernel updates");
	assert_int_equal(c.weekdays, 1);
}

static void rubbish_is_no_zone(void **state)
{
	uint8_t bytes[200] = "TZif2";
	struct zone zone;

	for (size_t n = 0; n <= sizeof(bytes); n++)
		assert_int_not_equal(zone_parse(bytes, n, &zone), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_those_of_libc),
		cmocka_unit_test(offsets_are_those_of_libc),
		cmocka_unit_test(begins_when_systemd_says),
		cmocka_unit_test(windows_end_as_written),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(rubbish_is_no_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
