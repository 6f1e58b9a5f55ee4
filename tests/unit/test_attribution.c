#include "cmocka_test.h"

#include "core/attribution.h"

static double scratch[16];

#define FIND(groups, total) \
	attribution_find(groups, sizeof(groups) / sizeof((groups)[0]), total, 0, scratch)

static void the_larger_of_two(void **state)
{
	const struct attribution_group g[] = { { "user.slice", -1, 3.2 },
					       { "a.scope", 0, 1.0 },
					       { "b.scope", 0, 2.2 },
					       { "system.slice", -1, 1.1 },
					       { "cron.service", 3, 1.1 } };
	struct attribution b = FIND(g, 4.3);

	assert_int_equal(b.who, 2);
	assert_near(b.use, 2.2, 1e-9);
	assert_near(b.share, 2.2 / 4.3, 1e-9);
}

static void mail_itself_is_not_blamed_nor_those_above_it(void **state)
{
	const struct attribution_group g[] = { { "system.slice", -1, 3.5 },
					       { "postfix.service", 0, 3.0, .mail = true },
					       { "child", 1, 2.9 },
					       { "backup.service", 0, 0.5 },
					       { "user.slice", -1, 0.4 } };
	struct attribution b = FIND(g, -1);

	assert_int_equal(b.who, 3);
	assert_near(b.share, 0.5 / 0.9, 1e-9);
}

static void nested_mail_groups_are_taken_off_once(void **state)
{
	const struct attribution_group g[] = { { "system.slice", -1, 3.0 },
					       { "mail.service", 0, 2.0, .mail = true },
					       { "mx", 1, 1.5, .mail = true },
					       { "other.service", 0, 1.0 } };
	struct attribution b = FIND(g, 3.0);

	assert_int_equal(b.who, 3);
	assert_near(b.share, 1, 1e-9);
}

static void a_container_is_an_answer_unless_one_part_has_most(void **state)
{
	struct attribution_group g[] = {
		{ "docker-1.scope", -1, 3.0 }, { "x", 0, 1.0 }, { "y", 0, 1.0 }, { "z", 0, 1.0 }
	};

	assert_int_equal(FIND(g, -1).who, 0);
	g[2].use = 2.5;
	g[1].use = g[3].use = 0.25;
	assert_int_equal(FIND(g, -1).who, 2);
}

static void who_uses_next_to_nothing_is_not_named(void **state)
{
	const struct attribution_group g[] = { { "system.slice", -1, 0.06 },
					       { "cron.service", 0, 0.04 },
					       { "ssh.service", 0, 0.02 } };

	assert_int_equal(attribution_find(g, 3, -1, 0.05, scratch).who, ATTRIBUTION_NONE);
	assert_int_equal(attribution_find(g, 3, -1, 0.03, scratch).who, 1);
	assert_int_equal(attribution_find(g, 0, 0.04, 0.05, scratch).who, ATTRIBUTION_NONE);
	assert_int_equal(attribution_find(g, 0, 0.06, 0.05, scratch).who, ATTRIBUTION_OUTSIDE);
}

static void penstock_and_what_writes_its_lines_are_not_blamed(void **state)
{
	assert_true(attribution_is_own("penstockd.service"));
	assert_true(attribution_is_own("penstockd-policy.service"));
	assert_true(attribution_is_own("penstock-proxy.service"));
	assert_true(attribution_is_own("penstock-proxy@mx.service"));
	assert_true(attribution_is_own("penstock-agent.service"));
	assert_true(attribution_is_own("penstock-refusals.service")); /* in a flood: its lines */
	assert_true(attribution_is_own("systemd-journald.service"));
	assert_true(attribution_is_own("rsyslog.service"));
	assert_false(attribution_is_own("penstock-backup.service"));
	assert_false(attribution_is_own("rsyslog.service.d"));
	assert_false(attribution_is_own("postfix.service"));
}

static void who_is_in_no_group(void **state)
{
	const struct attribution_group g[] = { { "a.service", -1, 0.5 } };
	struct attribution b = FIND(g, 2.5);

	assert_int_equal(b.who, ATTRIBUTION_OUTSIDE);
	assert_near(b.share, 0.8, 1e-9);
}

static void where_no_group_uses_enough_none_is_named(void **state)
{
	const struct attribution_group g[] = { { "a.service", -1, 0 }, { "b.service", -1, 0 } };

	assert_int_equal(FIND(g, 0).who, ATTRIBUTION_NONE);
	assert_int_equal(attribution_find(NULL, 0, -1, 0, scratch).who, ATTRIBUTION_NONE);
	assert_near(FIND(g, 0).share, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_larger_of_two),
		cmocka_unit_test(mail_itself_is_not_blamed_nor_those_above_it),
		cmocka_unit_test(nested_mail_groups_are_taken_off_once),
		cmocka_unit_test(a_container_is_an_answer_unless_one_part_has_most),
		cmocka_unit_test(who_uses_next_to_nothing_is_not_named),
		cmocka_unit_test(penstock_and_what_writes_its_lines_are_not_blamed),
		cmocka_unit_test(who_is_in_no_group),
		cmocka_unit_test(where_no_group_uses_enough_none_is_named),
	};

	return cmocka_run_group_tests_name("attribution", tests, NULL, NULL);
}
