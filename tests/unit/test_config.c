#include "cmocka_test.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "base/text.h"
#include "config/config.h"

static struct config config;
static struct config_errors errors;
static char path[] = "/tmp/penstock-test-config-XXXXXX";

static int load_text(const char *text, const char *override)
{
	const char *overrides[] = { override };
	struct config_source source = { .file = path,
					.overrides = overrides,
					.overrides_count = override ? 1 : 0 };
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	memset(&errors, 0, sizeof(errors));
	return config_load(&source, &config, &errors);
}

static const char *first_error(void)
{
	static char line[640];

	assert_true(errors.count > 0);
	config_error_print(&errors.error[0], line, sizeof(line));
	return line;
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	close(fd);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return 0;
}

static void an_empty_file_is_valid_and_has_mx(void **state)
{
	assert_int_equal(load_text("", NULL), 0);
	assert_int_equal(config_service_index(&config, "mx"), 0);
	assert_int_equal(config.service[0].ports[0], 25);
	assert_int_equal(config.mode, PLAN_ENFORCE);
	assert_true(strlen(config.service[0].hostname) > 0);
}

static void values_carry_units(void **state)
{
	assert_int_equal(load_text("[daemon]\nmode = observe\ntick = 50ms\n"
				   "[service.mx]\nports = 2525 26\nslots = 100\n"
				   "[service.submission]\nports = 587\nshed = no\n"
				   "[objective]\nbanner_p99 = 1.5s\nmemory_reserve = 1GiB\n"
				   "[target.runq_p99_us]\ntarget = 20ms\n"
				   "[source]\ntrusted = 192.0.2.0/24 2001:db8::/32\n",
				   NULL),
			 0);
	assert_int_equal(config.tick_us, 50000);
	assert_int_equal(config.service[0].ports[1], 26);
	assert_int_equal(config.service[config_service_index(&config, "submission")].shed,
			 PLAN_SHED_NO);
	assert_int_equal(config.banner_p99_us, 1500000);
	assert_int_equal(config.memory_reserve_bytes, 1u << 30);
}

static void trusted_networks(void **state)
{
	struct in6_addr a;

	assert_int_equal(load_text("[source]\ntrusted = 192.0.2.0/24 2001:db8::/33\n", NULL), 0);
	inet_pton(AF_INET6, "::ffff:192.0.2.77", &a);
	assert_true(config_trusted(&config, &a));
	inet_pton(AF_INET6, "::ffff:192.0.3.77", &a);
	assert_false(config_trusted(&config, &a));
	inet_pton(AF_INET6, "2001:db8:7fff::1", &a);
	assert_true(config_trusted(&config, &a));
	inet_pton(AF_INET6, "2001:db8:8000::1", &a);
	assert_false(config_trusted(&config, &a));
}

static void errors_name_file_line_key_and_reason(void **state)
{
	static const struct {
		const char *text, *contains;
		unsigned line;
	} rows[] = {
		{ "[daemon]\n\ntick = fast\n", "daemon.tick", 3 },
		{ "[daemon]\nmoed = observe\n", "mode", 2 }, /* did you mean */
		{ "[deamon]\nmode = observe\n", "deamon", 2 },
		{ "[service.mx]\nreply_code = 550\n", "reply_code", 2 },
		{ "[service.mx]\nports = 70000\n", "ports", 2 },
		{ "[http]\nlisten = localhost:80\n", "http.listen", 2 },
		{ "[source]\ntrusted = 10.0.0.0/40\n", "trusted", 2 },
		{ "[front.gate]\nenabled = yes\ncpu = 300%\n", "front.gate.cpu", 3 },
		{ "[front.gate]\nbackend = 127.0.0.1:25\n", "front.gate.backend", 2 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
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

static void overrides_win_and_split_at_the_last_dot(void **state)
{
	assert_int_equal(load_text("[service.mx]\nports = 25\n", "service.mx.ports=2525"), 0);
	assert_int_equal(config.service[0].ports[0], 2525);
	assert_true(load_text("", "nonsense") < 0);
	assert_true(load_text("", "service.mx.ports=x") < 0);
	assert_non_null(strstr(first_error(), "service.mx.ports"));
}

static void what_is_printed_reads_back_the_same(void **state)
{
	static char first[65536], second[65536];
	struct text a = TEXT_OF(first), b = TEXT_OF(second);

	assert_int_equal(
		load_text(
			"[daemon]\ntick = 70ms\n[service.submission]\nports = 587\nshed = no\n"
			"[source]\ntrusted = 192.0.2.0/24\n[objective]\nmemory_reserve = 123MiB\n",
			NULL),
		0);
	config_print(&config, &a);
	assert_int_equal(load_text(first, NULL), 0);
	config_print(&config, &b);
	assert_string_equal(first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_valid_and_has_mx),
		cmocka_unit_test(values_carry_units),
		cmocka_unit_test(trusted_networks),
		cmocka_unit_test(errors_name_file_line_key_and_reason),
		cmocka_unit_test(a_bad_file_changes_nothing),
		cmocka_unit_test(overrides_win_and_split_at_the_last_dot),
		cmocka_unit_test(what_is_printed_reads_back_the_same),
	};

	return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
