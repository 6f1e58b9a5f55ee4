#include "cmocka_test.h"

#include <arpa/inet.h>

#include "base/array.h"
#include "front/smtpd_codec.h"

/* What OpenSMTPD 6.8.0p2 and 7.6.0p1 say, shortened by lines of the same kind. */
static const char said[] =
	"config|smtpd-version|7.6.0-portable\n"
	"config|smtp-session-timeout|300\n"
	"config|subsystem|smtp-in\n"
	"config|ready\n"
	"filter|0.7|1576146008.006099|smtp-in|connect|7641df9771b4ed00|1ef1c203cc576e5d|<unknown>|127.0.0.9\n"
	"filter|0.6|1576146009.000001|smtp-in|connect|7641df9771b4ed01|1ef1c203cc576e5d|mx.example.net|[2001:db8::9]\n"
	"filter|0.6|1576146009.000001|smtp-in|connect|7641df9771b4ed02|1ef1c203cc576e5d|localhost|local\n";

static const char *shown(const struct smtpd_line *l)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(AF_INET6, &l->address, text, sizeof(text));
}

/* Takes all whole lines; `found` counts the connects. */
static size_t take(const char *bytes, size_t length, unsigned *ready, unsigned *found)
{
	struct smtpd_line l;
	size_t taken = 0, size;

	while (taken < length && smtpd_parse(bytes + taken, length - taken, &l, &size)) {
		taken += size;
		*ready += l.kind == SMTPD_READY;
		if (l.kind != SMTPD_CONNECT)
			continue;
		assert_string_equal(l.token, "1ef1c203cc576e5d");
		assert_int_equal(l.session[15], '0' + (char)*found);
		assert_int_equal(l.address_known, *found < 2);
		if (*found < 2)
			assert_string_equal(shown(&l), *found ? "2001:db8::9" : "::ffff:127.0.0.9");
		++*found;
	}
	return taken;
}

static void what_opensmtpd_says_at_every_split(void **state)
{
	size_t n = sizeof(said) - 1;

	for (size_t split = 0; split <= n; split++) {
		unsigned ready = 0, found = 0;
		size_t taken = take(said, split, &ready, &found);

		taken += take(said + taken, n - taken, &ready, &found);
		assert_int_equal(taken, n);
		assert_int_equal(ready, 1);
		assert_int_equal(found, 3);
	}
}

static struct smtpd_line line(const char *text)
{
	struct smtpd_line l;
	size_t size;

	assert_int_equal(smtpd_parse(text, strlen(text), &l, &size), 1);
	assert_int_equal(size, strlen(text));
	return l;
}

static void addresses_as_they_may_be_written(void **state)
{
	static const char *const forms[][2] = {
		{ "192.0.2.7:33174", "::ffff:192.0.2.7" }, { "[2001:db8::7]:25", "2001:db8::7" },
		{ "IPv6:2001:db8::7", "2001:db8::7" },	   { "2001:db8::7", "2001:db8::7" },
		{ "[IPv6:2001:db8::7]", "2001:db8::7" },   { "a|b|192.0.2.7", "::ffff:192.0.2.7" },
	};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct smtpd_line l;

		snprintf(text, sizeof(text), "filter|0.6|1|smtp-in|connect|1|2|n|%s\n",
			 forms[i][0]);
		l = line(text);
		assert_true(l.kind == SMTPD_CONNECT && l.address_known);
		assert_string_equal(shown(&l), forms[i][1]);
	}
}

static void what_is_no_question_is_passed_over(void **state)
{
	static const char *const other[] = {
		"\n",
		"config|readyish\n",
		"filter\n",
		"filter|0.6|1|smtp-in|connect|1|2|n\n",
		"filter|0.6|1|smtp-out|connect|1|2|n|192.0.2.7\n",
		"filter|0.6|1|smtp-in|mail-from|1|2|a@example.net|x\n",
		"filter|0.6|1|smtp-in|connect||2|n|192.0.2.7\n",
		"filter|0.6|1|smtp-in|connect|1|xyz|n|192.0.2.7\n",
		"filter|0.6|1|smtp-in|connect|12345678901234567|2|n|192.0.2.7\n",
	};
	char big[SMTPD_LINE_MAX + 8];
	struct smtpd_line l;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_int_equal(line(other[i]).kind, SMTPD_OTHER);
	/* A line without an end is taken in pieces. */
	memset(big, 'x', sizeof(big));
	assert_int_equal(smtpd_parse(big, SMTPD_LINE_MAX - 1, &l, &size), 0);
	assert_int_equal(smtpd_parse(big, sizeof(big), &l, &size), 1);
	assert_int_equal(size, SMTPD_LINE_MAX);
	assert_int_equal(l.kind, SMTPD_OTHER);
}

static void answers(void **state)
{
	struct smtpd_line l = line("filter|0.6|1|smtp-in|connect|7641df9771b4ed00|2|n|192.0.2.7\n");
	static const char *const none[] = { "220",	    "",
					    "451",	    "451 5.7.1 no",
					    "554 5.7.1 no", "451 4.3.2 a\nb" };
	char buf[SMTPD_ANSWER_MAX], longest[600];

	smtpd_answer(buf, &l, "451 4.3.2 mx1 busy");
	assert_string_equal(buf,
			    "filter-result|7641df9771b4ed00|2|disconnect|451 4.3.2 mx1 busy\n");
	smtpd_answer(buf, &l, NULL);
	assert_string_equal(buf, "filter-result|7641df9771b4ed00|2|proceed\n");
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		smtpd_answer(buf, &l, none[i]);
		assert_string_equal(buf, "filter-result|7641df9771b4ed00|2|proceed\n");
	}
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "451 4.3.2 ", 10);
	longest[512] = 0;
	assert_true(smtpd_answer(buf, &l, longest) < sizeof(buf));
	assert_int_equal(buf[strlen(buf) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_opensmtpd_says_at_every_split),
		cmocka_unit_test(addresses_as_they_may_be_written),
		cmocka_unit_test(what_is_no_question_is_passed_over),
		cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests_name("smtpd", tests, NULL, NULL);
}
