/* Which changes are written into the journal. */
#include "cmocka_test.h"

#include "publish/journal.h"

#define SECOND UINT64_C(1000000)

/* What was written of a neighbour, at `now_us`. */
static void wrote(struct journal *j, const char *unit, uint64_t now_us)
{
	j->neighbour_us = now_us;
	snprintf(j->neighbour_unit, sizeof(j->neighbour_unit), "%s", unit);
}

static void a_pressure_that_comes_and_goes_is_written_once_in_ten_minutes(void **state)
{
	struct journal j = { 0 };

	assert_false(journal_tells_neighbour(&j, false, "", SECOND));
	assert_true(journal_tells_neighbour(&j, true, "", SECOND));
	wrote(&j, "", SECOND);
	/* It goes on, and then it begins again and again. */
	j.foreign = true;
	assert_false(journal_tells_neighbour(&j, true, "", 2 * SECOND));
	j.foreign = false;
	assert_false(journal_tells_neighbour(&j, true, "", 40 * SECOND));
	assert_false(journal_tells_neighbour(&j, true, "", 600 * SECOND));
	assert_true(journal_tells_neighbour(&j, true, "", 601 * SECOND));
	j.foreign = true;
	assert_false(journal_tells_neighbour(&j, true, "", 2000 * SECOND));
}

static void a_cause_is_written_when_it_is_found_or_another_one(void **state)
{
	struct journal j = { .foreign = true };

	wrote(&j, "", SECOND);
	assert_true(journal_tells_neighbour(&j, true, "backup.service", 2 * SECOND));
	wrote(&j, "backup.service", 2 * SECOND);
	assert_false(journal_tells_neighbour(&j, true, "backup.service", 700 * SECOND));
	assert_false(journal_tells_neighbour(&j, true, "", 700 * SECOND));
	/* Two that take turns do not fill the journal. */
	assert_false(journal_tells_neighbour(&j, true, "index.service", 11 * SECOND));
	assert_true(journal_tells_neighbour(&j, true, "index.service", 12 * SECOND));
	assert_false(journal_tells_neighbour(&j, false, "index.service", 700 * SECOND));
}

static void a_level_that_rises_names_who_takes_the_cpu_time(void **state)
{
	struct neighbours n = { .who[RESOURCE_CPU] = { .known = true,
						       .use = 1.86,
						       .path = "/x/backup.service",
						       .unit = "backup.service" } };
	static struct engine_view now;
	static struct sample sample;
	char line[480] = "";
	struct text out = TEXT_OF(line);

	now.level.number = LEVEL_SEVERE;
	now.pressure.driver = RESOURCE_SMTP;
	now.pressure.driver_signal = SIGNAL_SERVER_TIME_US;
	sample.value[SIGNAL_CPU_BUSY_RATIO] = 1;
	sample.via[SIGNAL_CPU_BUSY_RATIO] = VIA_PROCFS;
	sample.value[SIGNAL_MTA_CPU_CORES] = 0.14;
	sample.via[SIGNAL_MTA_CPU_CORES] = VIA_CGROUP;
	journal_tell_level(LEVEL_NORMAL, &now, REASON_NONE, &sample, &n, &out);
	assert_string_equal(line, "The level is severe (was normal): pressure 0.00, driven by smtp "
				  "(server_time_us). 0 % of the connections are admitted; "
				  "backup.service takes 1.86 cores, the mail server 0.14 cores.");
	out.length = 0;
	journal_tell_level(LEVEL_CRITICAL, &now, REASON_NONE, &sample, &n, &out);
	assert_null(strstr(line, "backup"));
	out.length = 0;
	journal_tell_level(LEVEL_NORMAL, &now, REASON_NONE, &sample, NULL, &out);
	assert_null(strstr(line, "backup"));
}

static void refusals_that_are_not_for_load_are_no_pressure(void **state)
{
	static struct engine_view now;
	static struct sample sample;
	char line[480] = "";
	struct text out = TEXT_OF(line);

	now.level.number = LEVEL_CRITICAL;
	now.pressure.driver = RESOURCE_DISK;
	now.pressure.driver_signal = SIGNAL_SPOOL_USED_RATIO;
	journal_tell_level(LEVEL_SHEDDING, &now, REASON_BACKEND, &sample, NULL, &out);
	assert_string_equal(line, "The level is critical (was shedding), and not for load: the "
				  "mail server behind the front cannot be reached. 0 % of the "
				  "connections are admitted.");
	out.length = 0;
	now.level.number = LEVEL_ELEVATED;
	journal_tell_level(LEVEL_SHEDDING, &now, REASON_BACKEND, &sample, NULL, &out);
	assert_non_null(strstr(line, "driven by disk"));
}

/* A restart of the proxy takes less than five seconds. */
static void a_proxy_is_told_when_it_stays_down_and_when_it_is_up_again(void **state)
{
	struct journal j = { 0 };

	assert_false(journal_tells_proxy(&j, true, SECOND));
	assert_false(journal_tells_proxy(&j, false, 2 * SECOND));
	assert_false(journal_tells_proxy(&j, false, 6 * SECOND));
	assert_false(journal_tells_proxy(&j, true, 7 * SECOND)); /* restarted */
	assert_false(journal_tells_proxy(&j, false, 8 * SECOND));
	assert_true(journal_tells_proxy(&j, false, 13 * SECOND));
	assert_false(journal_tells_proxy(&j, false, 14 * SECOND)); /* once */
	assert_true(journal_tells_proxy(&j, true, 900 * SECOND));
	assert_false(journal_tells_proxy(&j, true, 901 * SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pressure_that_comes_and_goes_is_written_once_in_ten_minutes),
		cmocka_unit_test(a_level_that_rises_names_who_takes_the_cpu_time),
		cmocka_unit_test(refusals_that_are_not_for_load_are_no_pressure),
		cmocka_unit_test(a_cause_is_written_when_it_is_found_or_another_one),
		cmocka_unit_test(a_proxy_is_told_when_it_stays_down_and_when_it_is_up_again),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
