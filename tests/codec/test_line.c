#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/array.h"
#include "front/line_codec.h"

static int parse(const char *text, struct line_request *ret, size_t *ret_size)
{
	return line_parse(text, strlen(text), ret, ret_size);
}

static const char *shown(const struct line_request *r)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(AF_INET6, &r->address, text, sizeof(text));
}

/* What Exim 4.96 writes by readsocket, and a second line by telnet. */
static void a_transcript_at_every_split(void **state)
{
	static const char whole[] = "connect 203.0.113.9 4711\nconnect 2001:db8::9\r\n";
	struct line_request r;
	size_t size = 0, first = strlen("connect 203.0.113.9 4711\n");

	for (size_t i = 0; i < first; i++)
		assert_int_equal(line_parse(whole, i, &r, &size), 0);
	for (size_t i = first; i < sizeof(whole); i++) {
		assert_int_equal(line_parse(whole, i, &r, &size), 1);
		assert_int_equal(size, first);
	}
	assert_true(r.address_known);
	assert_string_equal(shown(&r), "::ffff:203.0.113.9");
	assert_int_equal(r.port, 4711);
	for (size_t i = 0; first + i < sizeof(whole) - 1; i++)
		assert_int_equal(line_parse(whole + first, i, &r, &size), 0);
	assert_int_equal(parse(whole + first, &r, &size), 1);
	assert_int_equal(first + size, sizeof(whole) - 1);
	assert_string_equal(shown(&r), "2001:db8::9");
	assert_int_equal(r.port, 0);
}

static void an_address_that_is_none(void **state)
{
	struct line_request r;
	size_t size;

	assert_int_equal(parse("connect unknown 25\n", &r, &size), 1);
	assert_false(r.address_known);
	assert_int_equal(r.port, 25);
}

static void what_is_no_question(void **state)
{
	static const char *const bad[] = { "\n",
					   "x",
					   "EHLO x\r\n",
					   "connect\n",
					   "connect \n",
					   "connect  1.2.3.4\n",
					   "CONNECT 1.2.3.4\n",
					   "connect 1.2.3.4 65536\n",
					   "connect 1.2.3.4 x\n",
					   "connect 1.2.3.4 25 26\n" };
	char big[LINE_REQUEST_MAX + 1] = "connect ";
	struct line_request r;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &r, &size), -EBADMSG);
	assert_int_equal(line_parse("connect \0\n", 10, &r, &size), -EBADMSG);
	memset(big + 8, '1', sizeof(big) - 8);
	assert_int_equal(line_parse(big, LINE_REQUEST_MAX - 1, &r, &size), 0);
	assert_int_equal(line_parse(big, LINE_REQUEST_MAX, &r, &size), -EMSGSIZE);
	big[LINE_REQUEST_MAX] = '\n';
	assert_int_equal(line_parse(big, LINE_REQUEST_MAX + 1, &r, &size), -EMSGSIZE);
}

static void answers(void **state)
{
	char buf[80];

	assert_int_equal(line_answer(buf, sizeof(buf), NULL, "mx1.example.org"), 4);
	assert_string_equal(buf, "220\n");
	assert_true(line_answer(buf, sizeof(buf), "451 4.3.2 overloaded", "mx1.example.org") > 0);
	assert_string_equal(buf, "451 4.3.2 mx1.example.org overloaded\n");
	assert_true(line_answer(buf, sizeof(buf), "421 4.7.1 too much", "") > 0);
	assert_string_equal(buf, "421 4.7.1 too much\n");
	assert_int_equal(line_answer(buf, 20, "451 4.3.2 overloaded", "mx1.example.org"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_transcript_at_every_split),
					    cmocka_unit_test(an_address_that_is_none),
					    cmocka_unit_test(what_is_no_question),
					    cmocka_unit_test(answers) };

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
