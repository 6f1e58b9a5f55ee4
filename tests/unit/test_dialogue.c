#include "cmocka_test.h"

#include "core/dialogue.h"

static const struct reply_style style = { .hostname = "mx.example.org" }, mx = { .hostname = "mx" };
static struct dialogue d;
static char out[DIALOGUE_OUT + 1];

static const char *begin(unsigned code)
{
	out[dialogue_begin(&d, code, &style, REASON_CPU, 0, out, sizeof(out))] = 0;
	return out;
}

static const char *feed(const char *text)
{
	out[dialogue_feed(&d, text, strlen(text), out, sizeof(out))] = 0;
	return out;
}

static void every_command_gets_the_same_line_and_quit_ends_it(void **state)
{
	char line[REPLY_MAX + 1];

	strcpy(line, begin(451));
	assert_memory_equal(line, "451 4.3.2 mx.example.org ", 25);
	assert_string_equal(feed("EHLO x\r\n"), line);
	assert_string_equal(feed("MAIL FR"), "");
	assert_string_equal(feed("OM:<a@b>\r\n"), line);
	assert_string_equal(feed("QUITTER\r\n"), line);
	assert_string_equal(feed("QU\r\n"), line);
	assert_string_equal(feed("xQUIT\r\n"), line);
	assert_false(d.done);
	assert_memory_equal(feed("quit \r\n"), "221 2.0.0 mx.example.org", 24);
	assert_true(d.done);
	assert_string_equal(feed("NOOP\r\n"), "");
}

static void nothing_follows_a_quit(void **state)
{
	begin(451);
	feed("QUIT\r\n");
	assert_true(dialogue_quit(&d));
	begin(451);
	feed("QUIT\r\nNOOP\r\n");
	assert_true(d.done);
	assert_false(dialogue_quit(&d));
	begin(421);
	assert_false(dialogue_quit(&d));
}

static void pipelined_commands_get_one_line_each(void **state)
{
	size_t one = strlen(begin(451)), n;

	n = dialogue_feed(&d, "A\r\nB\r\nC\n", 8, out, sizeof(out));
	assert_int_equal(n, 3 * one);
}

static void the_bounds_give_421(void **state)
{
	char big[4096];
	const char *last = "";

	begin(451);
	for (int i = 0; i <= DIALOGUE_COMMANDS && !d.done; i++)
		last = feed("NOOP\r\n");
	assert_true(d.done);
	assert_memory_equal(last, "421 4.3.2 ", 10);
	begin(451);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	for (int i = 0; i < 17 && !d.done; i++)
		last = feed(big);
	assert_true(d.done);
	assert_memory_equal(last, "421 ", 4);
	assert_memory_equal(begin(421), "421 4.3.2 ", 10);
	assert_true(d.done);
}

static void replies_are_transient_and_one_line_of_512_octets(void **state)
{
	struct reply_style longest = { .reason_id = true };
	char line[REPLY_MAX + 1];

	memset(longest.hostname, 'h', sizeof(longest.hostname) - 1);
	memset(longest.help_url, 'u', sizeof(longest.help_url) - 1);
	for (int r = 0; r < REASON__COUNT; r++) {
		for (unsigned code = 0; code < 600; code += 30) {
			size_t n = reply_line(line, sizeof(line), code, &longest, (enum reason)r,
					      1700000000000000);

			assert_true(n <= REPLY_MAX && n > 10);
			assert_int_equal(line[0], '4');
			assert_ptr_equal(strstr(line, "\r\n"), line + n - 2);
			/* Nothing of it is cut. */
			assert_int_equal(line[n - 3], 'u');
		}
		reply_line(line, sizeof(line), 451, &mx, (enum reason)r, 0);
		assert_null(strstr(line, "cpu"));
		assert_null(strstr(line, "memory"));
		assert_null(strstr(line, "disk"));
	}
}

static const char *text_of(enum reason reason, uint64_t until_us)
{
	static char line[REPLY_MAX + 1];

	reply_line(line, sizeof(line), 451, &mx, reason, until_us);
	return line;
}

static void the_operator_may_add_a_page_and_the_reason(void **state)
{
	struct reply_style s = { .hostname = "mx", .help_url = "https://mx.example.org/busy" };
	char line[REPLY_MAX + 1];

	reply_line(line, sizeof(line), 451, &s, REASON_CPU, 0);
	assert_string_equal(line, "451 4.3.2 mx overloaded at the moment, come back in a few "
				  "minutes https://mx.example.org/busy\r\n");
	s.reason_id = true;
	reply_text(line, sizeof(line), 451, &s, REASON_RATE, 0);
	assert_string_equal(line, "451 4.7.1 too much mail from your address, try again later "
				  "(id rate) https://mx.example.org/busy");
}

/* Fronts whose server says it get the text of the verdict and put the name in. */
static void a_text_with_the_name_is_the_line(void **state)
{
	char text[REPLY_MAX + 1], named[REPLY_MAX + 1], line[REPLY_MAX + 1];

	for (int r = 0; r < REASON__COUNT; r++) {
		reply_text(text, sizeof(text), 451, &mx, (enum reason)r, 1767225600000000);
		reply_line(line, sizeof(line), 451, &mx, (enum reason)r, 1767225600000000);
		assert_int_equal(reply_named(named, sizeof(named), text, mx.hostname),
				 strlen(line) - 2);
		assert_memory_equal(named, line, strlen(line) - 2);
	}
	reply_text(text, sizeof(text), 451, &mx, REASON_MAINTENANCE, 1767225600000000);
	reply_named(named, sizeof(named), text, "mx");
	assert_string_equal(named, "451 4.3.2 mx down for maintenance until 00:00 UTC");
	assert_int_equal(reply_named(named, 20, text, "mx"), 0);
}

static void each_reason_has_its_text(void **state)
{
	assert_string_equal(
		text_of(REASON_CPU, 0),
		"451 4.3.2 mx overloaded at the moment, come back in a few minutes\r\n");
	assert_string_equal(text_of(REASON_RATE, 0),
			    "451 4.7.1 mx too much mail from your address, try again later\r\n");
	assert_string_equal(text_of(REASON_DRAIN, 0),
			    "451 4.3.2 mx server shutdown in progress\r\n");
	assert_string_equal(text_of(REASON_MAINTENANCE, 0),
			    "451 4.3.2 mx down for maintenance, come back in a few minutes\r\n");
	assert_string_equal(text_of(REASON_MAINTENANCE, UINT64_C(1709208000000000)),
			    "451 4.3.2 mx down for maintenance until 12:00 UTC\r\n");
	/* The next full minute, and microseconds between two clocks do not matter. */
	assert_string_equal(text_of(REASON_MAINTENANCE, UINT64_C(1798761541000000)),
			    "451 4.3.2 mx down for maintenance until 00:00 UTC\r\n");
	assert_string_equal(text_of(REASON_MAINTENANCE, UINT64_C(1709208000000000) - 300),
			    "451 4.3.2 mx down for maintenance until 12:00 UTC\r\n");
	assert_string_equal(text_of(REASON_MAINTENANCE, UINT64_C(1709208000000000) + 300),
			    "451 4.3.2 mx down for maintenance until 12:00 UTC\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_gets_the_same_line_and_quit_ends_it),
		cmocka_unit_test(nothing_follows_a_quit),
		cmocka_unit_test(pipelined_commands_get_one_line_each),
		cmocka_unit_test(the_bounds_give_421),
		cmocka_unit_test(a_text_with_the_name_is_the_line),
		cmocka_unit_test(each_reason_has_its_text),
		cmocka_unit_test(the_operator_may_add_a_page_and_the_reason),
		cmocka_unit_test(replies_are_transient_and_one_line_of_512_octets),
	};

	return cmocka_run_group_tests_name("dialogue", tests, NULL, NULL);
}
