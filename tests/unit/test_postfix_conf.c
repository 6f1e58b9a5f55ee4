#include "cmocka_test.h"

#include "check/postfix_conf.h"

static struct postfix_conf conf;
static char value[POSTFIX_VALUE];

static int setup(void **state)
{
	memset(&conf, 0, sizeof(conf));
	return 0;
}

static void parse_main(const char *text)
{
	postfix_parse_main(&conf, text, strlen(text));
}

static void parse_master(const char *text)
{
	postfix_parse_master(&conf, text, strlen(text));
}

static void lines_go_on_and_comments_do_not_count(void **state)
{
	parse_main("# first\na = 1\nb=2\n  3\n# between\n\t4\n\nc =\nb2 = x");
	assert_string_equal(postfix_value(&conf, -1, "a", "", value), "1");
	assert_string_equal(postfix_value(&conf, -1, "b", "", value), "2 3 4");
	assert_string_equal(postfix_value(&conf, -1, "c", "not", value), "");
	assert_string_equal(postfix_value(&conf, -1, "b2", "", value), "x");
	assert_string_equal(postfix_value(&conf, -1, "d", "default", value), "default");
}

static void the_last_one_wins_and_names_are_replaced(void **state)
{
	parse_main("x = 1\nx = 2\ny = <$x ${x} $(x)> ${none?yes} $none.\nz = $z\n");
	assert_string_equal(postfix_value(&conf, -1, "y", "", value), "<2 2 2>  .");
	assert_string_equal(postfix_value(&conf, -1, "z", "", value), "");
	assert_string_equal(postfix_value(&conf, -1, "other", "$x$x", value), "22");
}

static void a_service_has_settings_of_its_own(void **state)
{
	parse_main("smtpd_delay_reject = yes\n");
	parse_master(
		"smtp inet n - y - - smtpd\n"
		"  -o smtpd_delay_reject=no\n"
		"  -o { smtpd_client_restrictions = permit_mynetworks, check_policy_service { unix:private/penstock, "
		"default_action=DUNNO } }\n"
		"# submission inet n - y - - smtpd\n"
		"2525 inet n - y - 40 smtpd -v -o a=b\n"
		"short inet n\n"
		"pickup unix n - y 60 1 pickup\n");
	assert_int_equal(conf.services, 3);
	assert_string_equal(conf.service[0].command, "smtpd");
	assert_string_equal(conf.service[0].maxproc, "-");
	assert_string_equal(conf.service[1].maxproc, "40");
	assert_string_equal(postfix_value(&conf, 0, "smtpd_delay_reject", "", value), "no");
	assert_string_equal(postfix_value(&conf, 1, "smtpd_delay_reject", "", value), "yes");
	assert_string_equal(postfix_value(&conf, 1, "a", "", value), "b");
	assert_non_null(
		strstr(postfix_value(&conf, 0, "smtpd_client_restrictions", "", value),
		       "check_policy_service { unix:private/penstock, default_action=DUNNO }"));
	assert_true(postfix_overrides(&conf, 0, "smtpd_client_restrictions"));
	assert_false(postfix_overrides(&conf, 1, "smtpd_client_restrictions"));
}

static void more_than_there_is_room_for_is_left_out(void **state)
{
	for (int i = 0; i < 2 * POSTFIX_PARAMETERS; i++) {
		char line[64];

		snprintf(line, sizeof(line), "p%d = %d\n", i, i);
		parse_main(line);
		parse_master("s inet n - y - - smtpd -o a=b\n");
	}
	assert_int_equal(conf.parameters, POSTFIX_PARAMETERS);
	assert_int_equal(conf.services, POSTFIX_SERVICES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(lines_go_on_and_comments_do_not_count, setup),
		cmocka_unit_test_setup(the_last_one_wins_and_names_are_replaced, setup),
		cmocka_unit_test_setup(a_service_has_settings_of_its_own, setup),
		cmocka_unit_test_setup(more_than_there_is_room_for_is_left_out, setup),
	};

	return cmocka_run_group_tests_name("postfix_conf", tests, NULL, NULL);
}
