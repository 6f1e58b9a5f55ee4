/* How files of the configuration are read: errors with their place, fragments, keys that are set
 * twice, values of several lines. */
#include "cmocka_test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "unit/config_text.h"

static char printed_error[640];

static void errors_name_file_line_key_and_reason(void **state)
{
	static const struct {
		const char *text, *contains;
		unsigned line;
	} rows[] = {
		{ "[daemon]\n\ntick = fast\n", "daemon.tick", 3 },
		{ "[daemon]\nmoed = observe\n", "did you mean 'mode'?", 2 },
		{ "[deamon]\nmode = observe\n", "there is no section [deamon]", 1 },
		{ "[service.mx]\nreply_code = 550\n", "reply_code", 2 },
		{ "[service.mx]\nhelp_url = our page\n", "help_url", 2 },
		{ "[service.mx]\nhelp_url = ftp://mx.example.org/busy\n",
		  "not an address of the web", 2 },
		{ "[service.mx]\nhelp_url = https://mx.example.org/a b\n", "no blanks", 2 },
		{ "[service.mx]\nhelp_url = https://mx.example.org/"
		  "0123456789012345678901234567890123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789012345678901234567890123456789\n",
		  "at most 150", 2 },
		{ "[service.mx]\nports = 70000\n", "ports", 2 },
		{ "[daemon]\nmode = \"enforce\"\n", "without quotes", 2 },
		{ "[service.mail]\nports = 25\n", "25 is service mx's already. [service.mx]", 2 },
		{ "[http]\nlisten = localhost:80\n", "http.listen", 2 },
		{ "[source]\ntrusted = 10.0.0.0/40\n", "trusted", 2 },
		{ "[front.gate]\nenabled = yes\ncpu = 300%\n", "front.gate.cpu", 3 },
		{ "[front.gate]\nbackend = 127.0.0.1:25\n", "front.gate.backend", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char where[80];

		assert_int_equal(load_text(rows[i].text, NULL), -22);
		snprintf(where, sizeof(where), "%s:%u: ", path, rows[i].line);
		if (!strstr(first_error(), where) || !strstr(first_error(), rows[i].contains))
			fail_msg("%s gives %s", rows[i].text, first_error());
	}
}

static void a_bad_file_changes_nothing(void **state)
{
	assert_int_equal(load_text("[daemon]\ntick = 50ms\n", NULL), 0);
	assert_true(load_text("[daemon]\ntick = 70ms\nmode = maybe\n", NULL) < 0);
	assert_int_equal(config.tick_us, 50000);
}

/* A fragment that is left out without a word is a server without its limits. */
static void a_fragment_that_cannot_be_read_is_an_error(void **state)
{
	const struct config_source serves = { .file = path, .may_lack_fragments = true };
	char directory[64], fragment[80];

	snprintf(directory, sizeof(directory), "%s.d", path);
	snprintf(fragment, sizeof(fragment), "%s/mail.conf", directory);
	assert_int_equal(load_text("", NULL), 0);
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(load_text("", NULL), 0);
	assert_int_equal(symlink("nowhere", fragment), 0);
	assert_true(load_text("", NULL) < 0);
	assert_non_null(strstr(first_error(), "mail.conf: file: cannot be read: No such file"));
	/* penstock-proxy starts without it, so that mail comes in. */
	memset(&errors, 0, sizeof(errors));
	assert_int_equal(config_load(&serves, &config, &errors), 0);
	assert_int_equal(errors.warnings, 1);
	assert_non_null(strstr(errors.warning[0].reason, "Its options are left out"));
	unlink(fragment);
	assert_int_equal(mkdir(fragment, 0700), 0);
	assert_true(load_text("", NULL) < 0);
	assert_non_null(strstr(first_error(), "mail.conf: file: cannot be read: Is a directory"));
	rmdir(fragment);
	rmdir(directory);
	assert_int_equal(symlink("/dev/null", directory), 0);
	assert_true(load_text("", NULL) < 0);
	assert_non_null(strstr(first_error(), ".d: file: cannot be read: Not a directory"));
	unlink(directory);
	assert_int_equal(load_text("", NULL), 0);
}

static void warns_of(const char *text, const char *warning)
{
	char want[400];

	assert_int_equal(load_text(text, NULL), 0);
	assert_int_equal(errors.warnings, 1);
	snprintf(want, sizeof(want), "%s:%s", path, warning);
	config_error_print(&errors.warning[0], printed_error, sizeof(printed_error));
	assert_memory_equal(printed_error, want, strlen(want));
}

/* It is a mistake, but the last line holds, as it always did. */
static void a_key_twice_in_one_file_is_warned_of(void **state)
{
	const char *last = " of this file, too. This line holds: take the other one out";

	warns_of("[daemon]\nmode = observe\ntick = 50ms\nmode = enforce\n",
		 "4: daemon.mode: is set in line 2");
	assert_non_null(strstr(printed_error, last));
	assert_int_equal(config.mode, PLAN_ENFORCE);
	/* In a section that is begun twice, after a value of two lines, and by its earlier name. */
	warns_of("[service.mx]\nports = 25\n 26\n[daemon]\ntick = 50ms\n[service.mx]\nports = 27\n",
		 "7: service.mx.ports: is set in line 2");
	assert_int_equal(config.service[0].ports[0], 27);
	assert_int_equal(load_text("[objective]\nwindow_max = 20\nwindow_most = 30\n", NULL), 0);
	assert_int_equal(errors.warnings, 2);
	warns_of("[target]\nrunq_p99_us = 20ms\n[target.runq_p99_us]\ntarget = 30ms\n",
		 "4: target.runq_p99_us: is set in line 2");
}

static void what_is_no_key_twice_is_not_warned_of(void **state)
{
	char directory[64], fragment[80];
	FILE *file;

	/* The same key of two services; lines that continue a value; windows add up. */
	assert_int_equal(load_text("[service.mx]\nports = 25\n[service.b]\nports = 26\n 27\n"
				   "[maintenance]\nwindow = Sun 02:00..04:00\n"
				   "window = Mon 02:00..04:00\n",
				   "service.mx.ports=2525"),
			 0);
	assert_int_equal(errors.warnings, 0);
	/* A later file may set what an earlier one sets. */
	snprintf(directory, sizeof(directory), "%s.d", path);
	snprintf(fragment, sizeof(fragment), "%s/mail.conf", directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	file = fopen(fragment, "we");
	assert_non_null(file);
	fputs("[daemon]\nmode = observe\n", file);
	fclose(file);
	assert_int_equal(load_text("[daemon]\nmode = enforce\n", NULL), 0);
	assert_int_equal(errors.warnings, 0);
	assert_int_equal(config.mode, PLAN_OBSERVE);
	unlink(fragment);
	rmdir(directory);
}

static void overrides_win_and_split_at_the_last_dot(void **state)
{
	assert_int_equal(load_text("[service.mx]\nports = 25\n", "service.mx.ports=2525"), 0);
	assert_int_equal(config.service[0].ports[0], 2525);
	assert_true(load_text("", "nonsense") < 0);
	assert_true(load_text("", "service.mx.ports=x") < 0);
	assert_non_null(strstr(first_error(), "service.mx.ports"));
}

/* Without that the first line of a list would be lost without a word. */
static void a_value_goes_on_in_lines_that_begin_with_a_blank(void **state)
{
	char why[64];

	assert_int_equal(load_text("[source]\ntrusted = 192.0.2.1, 192.0.2.2, # ours\n"
				   "\t# a comment\n  192.0.2.3\n 192.0.2.4 ; the last\n"
				   "ledger_size = 1MiB\n[service.mx]\n  ports = 25\n",
				   NULL),
			 0);
	assert_int_equal(config.sources.trusted.count, 4);
	assert_int_equal(config.sources.ledger_bytes, 1u << 20);
	/* In another section of the same name it is a key again. */
	assert_int_equal(
		load_text("[source]\ntrusted = 192.0.2.1\n[source]\n  trusted = 192.0.2.2\n", NULL),
		0);
	assert_int_equal(config.sources.trusted.count, 1);
	assert_int_equal(load_text("[source]\ntrusted = 192.0.2.1\n  nonsense\n", NULL), -EINVAL);
	snprintf(why, sizeof(why), "%s:3: source.trusted: 'nonsense'", path);
	assert_memory_equal(first_error(), why, strlen(why));
	/* Each line is a window. */
	assert_int_equal(load_text("[maintenance]\nwindow = Sun 02:00..03:00 UTC\n"
				   "  Mon 02:00..03:00 UTC\n",
				   NULL),
			 0);
	assert_int_equal(config.maintenance.windows, 2);
}

static void a_line_that_is_too_long_is_an_error_with_its_remedy(void **state)
{
	char text[600] = "[source]\ntrusted =", why[128];

	for (int i = 0; i < 20; i++)
		strcat(text, " 192.0.2.1");
	strcat(text, "\n");
	assert_int_equal(load_text(text, NULL), -EINVAL);
	snprintf(why, sizeof(why), "%s:2: line: is longer than 198 characters. Begin a new line",
		 path);
	assert_memory_equal(first_error(), why, strlen(why));
	/* A comment may have any length, and is one line. */
	memset(text, 'x', 500);
	memcpy(text, "  # ", 4);
	strcpy(text + 500, "\n[source]\ntrusted = nonsense\n");
	assert_int_equal(load_text(text, NULL), -EINVAL);
	snprintf(why, sizeof(why), "%s:3: source.trusted: 'nonsense'", path);
	assert_memory_equal(first_error(), why, strlen(why));
	assert_int_equal(errors.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_name_file_line_key_and_reason),
		cmocka_unit_test(a_bad_file_changes_nothing),
		cmocka_unit_test(a_fragment_that_cannot_be_read_is_an_error),
		cmocka_unit_test(a_key_twice_in_one_file_is_warned_of),
		cmocka_unit_test(what_is_no_key_twice_is_not_warned_of),
		cmocka_unit_test(overrides_win_and_split_at_the_last_dot),
		cmocka_unit_test(a_value_goes_on_in_lines_that_begin_with_a_blank),
		cmocka_unit_test(a_line_that_is_too_long_is_an_error_with_its_remedy),
	};

	return cmocka_run_group_tests_name("config_files", tests, setup, teardown);
}
