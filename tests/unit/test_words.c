/* Values, durations and times as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "publish/words.h"

static void is_shown(enum unit unit, double value, const char *words)
{
	char buffer[64] = "";
	struct text text = TEXT_OF(buffer);

	words_value(&text, unit, value);
	assert_string_equal(buffer, words);
}

static void times_have_an_end(void **state)
{
	char buffer[64] = "";
	struct text text = TEXT_OF(buffer);

	words_times(&text, 2.345);
	text_append(&text, ", ");
	words_times(&text, 1232.1);
	assert_string_equal(buffer, "2.3 times, over 100 times");
}

static void values_have_their_unit(void **state)
{
	is_shown(UNIT_RATIO, 0.125, "12.5 %");
	is_shown(UNIT_US, 1500, "1.5 ms");
	is_shown(UNIT_US, 250, "250 us");
	is_shown(UNIT_BYTES, 64.0 * (1 << 20), "64 MiB");
	is_shown(UNIT_BYTES_PER_S, 1.5 * (1 << 20), "1.5 MiB/s");
	is_shown(UNIT_BITS_PER_S, 1e9, "1.0 Gbit/s");
	is_shown(UNIT_PER_S, 12.5, "12.5/s");
	is_shown(UNIT_PER_S, 0.005, "0.005/s");
	is_shown(UNIT_CORES, 3.714, "3.71 cores");
	is_shown(UNIT_COUNT, 17, "17");
}

/* Busy sessions by completions: hundreds of seconds are no time that anything took. */
static void a_server_time_ends_at_a_minute(void **state)
{
	static const struct {
		double us;
		const char *words;
		double shown_us;
	} rows[] = {
		{ 250000, "250 ms", 250000 },
		{ 59e6, "59 s", 59e6 },
		{ 60e6, "over 60 s", 60e6 },
		{ 544e6, "over 60 s", 60e6 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buffer[64] = "";
		struct text text = TEXT_OF(buffer);

		words_signal(&text, SIGNAL_SERVER_TIME_US, rows[i].us);
		assert_string_equal(buffer, rows[i].words);
		assert_true(words_shown(SIGNAL_SERVER_TIME_US, rows[i].us) == rows[i].shown_us);
		assert_true(words_server_time_s(rows[i].us / 1e6) == rows[i].shown_us / 1e6);
		assert_true(words_shown(SIGNAL_OLDEST_WAITING_US, rows[i].us) == rows[i].us);
	}
	assert_true(words_server_time_s(-1) == -1); /* not known */
}

/* Smoothed values never become 0 by themselves. */
static void what_has_faded_is_zero(void **state)
{
	is_shown(UNIT_PER_S, 1.823e-13, "0/s");
	is_shown(UNIT_PER_S, 1.9e-37, "0/s");
	is_shown(UNIT_PER_S, 0.0049, "0/s");
	is_shown(UNIT_COUNT, 1e-20, "0");
	is_shown(UNIT_RATIO, 1e-20, "0.0 %");
	is_shown(UNIT_US, 1e-20, "0.0 us");
	is_shown(UNIT_CORES, 1e-20, "0.00 cores");
	is_shown(UNIT_S, 1e-20, "0.0 s");
}

static void durations_grow_into_days(void **state)
{
	is_shown(UNIT_S, 0, "0 s");
	is_shown(UNIT_S, 1.5, "1.5 s");
	is_shown(UNIT_S, 5, "5 s");
	is_shown(UNIT_S, 119, "119 s");
	is_shown(UNIT_S, 120, "2 min");
	is_shown(UNIT_S, 7200, "2.0 h");
	is_shown(UNIT_S, 2 * 86400, "2.0 days");
}

static void times_are_utc(void **state)
{
	char when[32];

	assert_string_equal(words_time(0, when), "1970-01-01T00:00:00Z");
	assert_string_equal(words_time(UINT64_C(1769860800000000), when), "2026-01-31T12:00:00Z");
}

static void addresses_and_their_groups(void **state)
{
	static const uint8_t v4[16] = { [10] = 255, [11] = 255, 203, 0, 113, 9 };
	static const uint8_t v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	char buf[64];

	assert_string_equal(words_address(v4, buf), "203.0.113.9");
	assert_string_equal(words_group(v4, buf), "203.0.113.0/24");
	assert_string_equal(words_address(v6, buf), "2001:db8::1");
	assert_string_equal(words_group(v6, buf), "2001:db8::/64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_have_their_unit),
		cmocka_unit_test(times_have_an_end),
		cmocka_unit_test(a_server_time_ends_at_a_minute),
		cmocka_unit_test(what_has_faded_is_zero),
		cmocka_unit_test(durations_grow_into_days),
		cmocka_unit_test(times_are_utc),
		cmocka_unit_test(addresses_and_their_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
