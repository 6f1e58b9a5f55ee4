#include "cmocka_test.h"

#include <errno.h>

#include "publish/varlink.h"

static int parse(const char *text, struct varlink_call *call)
{
	return varlink_parse_call(text, strlen(text), call);
}

static void frames(void **state)
{
	size_t n = 0;

	assert_int_equal(varlink_frame("{}\0{", 4, 100, &n), 1);
	assert_int_equal(n, 2);
	assert_int_equal(varlink_frame("{\"a\"", 4, 100, &n), 0);
	assert_int_equal(varlink_frame("{}{}{}{}{}{}", 12, 10, &n), -EMSGSIZE);
	assert_int_equal(varlink_frame("{}{}{}{}{}{}", 13, 10, &n), -EMSGSIZE);
}

static void calls(void **state)
{
	struct varlink_call c;

	assert_int_equal(
		parse("{\"method\":\"io.penstock.Watch\",\"more\":true,\"parameters\":{\"a\":1}}",
		      &c),
		0);
	assert_string_equal(c.method, "io.penstock.Watch");
	assert_true(c.more && !c.oneway);
	assert_int_equal(json_integer_value(json_object_get(c.parameters, "a")), 1);
	varlink_call_done(&c);
	assert_int_equal(parse("{\"method\":\"x\",\"parameters\":null}", &c), 0);
	varlink_call_done(&c);
	for (const char *const *p = (const char *const[]){ "", "[]", "{", "{}", "{\"method\":1}",
							   "{\"method\":\"x\",\"parameters\":[]}",
							   "{\"method\":\"x\",\"more\":1}",
							   "{\"method\":\"x\",\"method\":\"y\"}",
							   "nonsense", NULL };
	     *p; p++)
		assert_int_equal(parse(*p, &c), -EBADMSG);
}

static void deep_nesting_and_long_methods_do_no_harm(void **state)
{
	static char text[VARLINK_METHOD_MAX * 600];
	struct varlink_call c;

	memset(text, '[', sizeof(text) - 1);
	assert_int_equal(parse(text, &c), -EBADMSG);
	snprintf(text, sizeof(text), "{\"method\":\"%0*d\"}", VARLINK_METHOD_MAX + 5, 1);
	assert_int_equal(parse(text, &c), -EBADMSG);
}

static void replies(void **state)
{
	char *text =
		varlink_reply("io.penstock.Refused", json_pack("{s:s}", "reason", "why"), false);

	assert_string_equal(
		text, "{\"error\":\"io.penstock.Refused\",\"parameters\":{\"reason\":\"why\"}}");
	free(text);
	text = varlink_reply(NULL, NULL, true);
	assert_string_equal(text, "{\"parameters\":{},\"continues\":true}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(frames), cmocka_unit_test(calls),
					    cmocka_unit_test(
						    deep_nesting_and_long_methods_do_no_harm),
					    cmocka_unit_test(replies) };

	return cmocka_run_group_tests_name("varlink", tests, NULL, NULL);
}
