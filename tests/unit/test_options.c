/* The table of options: each is explained, belongs to its front, and what it was called before is
 * known. */
#include "unit/config_text.h"

#include "base/array.h"
#include "base/text.h"
#include "config/options.h"

/* Each front against each option that fronts have: its own are known, all others are refused. */
static void every_front_refuses_what_it_does_not_use(void **state)
{
	unsigned refused = 0;

	for (unsigned f = 0; f < option_rows_count; f++) {
		const char *front = option_rows[f].section;

		if (strncmp(front, "front.", 6) != 0 ||
		    (f > 0 && strcmp(option_rows[f - 1].section, front) == 0))
			continue;
		for (unsigned i = 0; i < option_rows_count; i++) {
			const char *key = option_rows[i].key;
			char override[128];

			if (strncmp(option_rows[i].section, "front.", 6) != 0 ||
			    option_find(front, key))
				continue;
			snprintf(override, sizeof(override), "%s.%s=1", front, key);
			assert_int_equal(load_text("", override), -22);
			if (!strstr(first_error(), "this front does not use the option"))
				fail_msg("%s gives %s", override, first_error());
			refused++;
		}
	}
	assert_true(refused > 100);
}

static void an_option_of_another_front_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *section, *option, *right;
	} wrong[] = {
		{ "front.policy", "backend = 127.0.0.1:2525", "[front.proxy]" },
		{ "front.policy", "proxy_protocol = v1", "[front.proxy]" },
		{ "front.policy", "linger = 5s", "Take it out" },
		{ "front.proxy", "socket_mode = 0666", "[front.policy]" },
		{ "front.gate", "backend = 127.0.0.1:2525", "[front.proxy]" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[256];

		snprintf(text, sizeof(text), "[%s]\n%s\n", wrong[i].section, wrong[i].option);
		assert_int_equal(load_text(text, NULL), -EINVAL);
		assert_int_equal(errors.error[0].line, 2);
		assert_non_null(strstr(first_error(), "does not use the option"));
		assert_non_null(strstr(first_error(), wrong[i].right));
	}
}

/* A file of the release before must not keep the mail server's proxy from starting. */
static void an_old_name_is_taken_with_a_warning(void **state)
{
	char line[640];

	assert_int_equal(load_text("[objective]\nwindow_most = 9\n", NULL), 0);
	assert_int_equal(config.window_max, 9);
	assert_int_equal(errors.warnings, 1);
	config_error_print(&errors.warning[0], line, sizeof(line));
	assert_non_null(strstr(line, ":2: objective.window_most: is called objective.window_max"));
	assert_int_equal(load_text("", "objective.window_least=3"), 0);
	assert_int_equal(errors.warnings, 1);
	assert_int_equal(load_text("[objective]\nwindow_max = 9\n", NULL), 0);
	assert_int_equal(errors.warnings, 0);
	assert_int_equal(load_text("[objective]\nwindow_most = x\n", NULL), -EINVAL);
	assert_int_equal(errors.warnings, 0);
}

static void a_trace_of_an_older_penstock_still_loads(void **state)
{
	static const char text[] = "[front.policy]\nlinger = 5s\nlisten = 127.0.0.1:10030\n";
	struct config_source source = { .text = text, .text_length = sizeof(text) - 1 };

	memset(&errors, 0, sizeof(errors));
	assert_int_equal(config_load(&source, &config, &errors), 0);
	assert_int_equal(config.policy.listen.count, 1);
}

/* The part of a help behind "Example: ", up to one of its commas, is a value that the option takes
 * and that is not its default: "2s, when senders may wait". */
static bool has_an_example(const struct option_row *row)
{
	static union {
		struct config config;
		struct config_service service;
		struct config_pool pool;
	} base;
	char example[512], why[256];

	snprintf(example, sizeof(example), "%s", strstr(row->help, ". Example: ") + 11);
	while (true) {
		char *comma = strrchr(example, ',');

		memset(&base, 0, sizeof(base));
		if (option_set(row, &base, example, why) == 0)
			return !row->value || strcmp(example, row->value) != 0;
		if (!comma)
			return false;
		*comma = 0;
	}
}

/* What it does, what holds if it is not set, and an example. */
static void every_option_is_explained(void **state)
{
	for (unsigned i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		size_t n = row->help ? strlen(row->help) : 0;

		if (!row->help) {
			assert_non_null(option_gone(row->section, row->key));
			continue;
		}
		if (n < 40 || row->help[n - 1] == '.' || !strstr(row->help, ". Example: "))
			fail_msg("%s.%s: %s", row->section, row->key, row->help);
		if (!row->value && !strstr(row->help, "Unset: ") && !strstr(row->help, "Needed "))
			fail_msg(
				"%s.%s has no default, and its help does not say what then holds: %s",
				row->section, row->key, row->help);
		if (!has_an_example(row))
			fail_msg("%s.%s: the example is no value of it, or the default: %s",
				 row->section, row->key, row->help);
	}
}

/* An option that was taken out has no effect, and the warning says what holds instead. */
static void an_option_that_is_gone_is_named(void **state)
{
	static char printed[65536];
	struct text out = TEXT_OF(printed);

	assert_int_equal(
		load_text(
			"[front.proxy]\nlinger = 7s\n[source]\nrate_size = 1MiB\nretry_least = 9min\n",
			NULL),
		0);
	assert_int_equal(errors.warnings, 3);
	assert_string_equal(errors.warning[0].key, "front.proxy.linger");
	assert_non_null(
		strstr(errors.warning[0].reason, "is gone and has no effect: a deferred client"));
	assert_non_null(strstr(errors.warning[1].reason, "take half of source.ledger_size"));
	assert_non_null(strstr(errors.warning[2].reason, "a retry counts if it comes 2 min"));
	assert_int_equal(config.sources.proper_us, 120000000);
	assert_int_equal(config.proxy.linger_us, 20000000);
	assert_int_equal(config.sources.rate_bytes, 0);
	config_print(&config, &out);
	assert_null(strstr(printed, "\nlinger = "));
	assert_null(strstr(printed, "rate_size"));
	assert_non_null(strstr(printed, "\nledger_size = 8MiB\n"));
}

/* On the command line as in a file; a test sets it under another name. */
static void an_option_that_is_gone_is_named_on_the_command_line(void **state)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		const char *value = row->value ? row->value : "1MiB";
		char override[160];

		if (!option_gone(row->section, row->key))
			continue;
		gone++;
		snprintf(override, sizeof(override), "%s.%s=%s", row->section, row->key, value);
		assert_int_equal(load_text("", override), 0);
		assert_int_equal(errors.warnings, 1);
		assert_string_equal(errors.warning[0].file, "-o");
		assert_memory_equal(errors.warning[0].key, override, strlen(errors.warning[0].key));
		assert_non_null(strstr(errors.warning[0].reason, "is gone and has no effect"));
		snprintf(override, sizeof(override), "test.%s.%s=%s", row->section, row->key,
			 value);
		assert_int_equal(load_text("", override), 0);
		assert_int_equal(errors.warnings, 0);
	}
	assert_int_equal(gone, 5);
	assert_int_equal(load_text("", "source.retry_min=9min"), 0);
	assert_int_equal(config.sources.proper_us, 120000000);
	assert_int_equal(load_text("", "source.retry_least=9min"), 0);
	assert_int_equal(config.sources.proper_us, 120000000);
	assert_int_equal(errors.warnings, 1);
	assert_int_equal(load_text("", "test.source.retry_min=9min"), 0);
	assert_int_equal(config.sources.proper_us, 540000000);
	/* Only such an option has this second name, and only on the command line. */
	assert_int_equal(load_text("", "test.source.rate_max=9"), -EINVAL);
	assert_int_equal(load_text("[test.source]\nretry_min = 9min\n", NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_front_refuses_what_it_does_not_use),
		cmocka_unit_test(an_option_of_another_front_is_refused_with_its_place),
		cmocka_unit_test(an_old_name_is_taken_with_a_warning),
		cmocka_unit_test(a_trace_of_an_older_penstock_still_loads),
		cmocka_unit_test(every_option_is_explained),
		cmocka_unit_test(an_option_that_is_gone_is_named),
		cmocka_unit_test(an_option_that_is_gone_is_named_on_the_command_line),
	};

	return cmocka_run_group_tests_name("options", tests, setup, teardown);
}
