#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/text.h"
#include "config/engine_config.h"
#include "config/options.h"
#include "config/reload.h"
#include "unit/config_text.h"

static char printed_error[640];

static void windows_add_up_and_are_read_back(void **state)
{
	static char printed[131072];
	struct text text = TEXT_OF(printed);

	assert_int_equal(load_text("[maintenance]\nwindow = Sun 02:00..04:00 UTC \"a, b\"\n"
				   "window = *-*~1 22:00..02:00 # each month\n"
				   "trusted_pass = yes\n",
				   "maintenance.window=12-24 18:00..24:00"),
			 0);
	assert_int_equal(config.maintenance.windows, 3);
	assert_string_equal(config.maintenance.window[0].when.text, "a, b");
	assert_string_equal(config.maintenance.window[1].words, "*-*~1 22:00..02:00");
	config_print(&config, &text);
	assert_int_equal(load_text(printed, NULL), 0);
	assert_int_equal(config.maintenance.windows, 3);
	assert_true(config.maintenance.trusted_pass);
	assert_string_equal(config.maintenance.window[2].words, "12-24 18:00..24:00");
	assert_int_equal(load_text("[maintenance]\nwindow = Sun 02:00..04:00\nwindow =\n", NULL),
			 0);
	assert_int_equal(config.maintenance.windows, 0);
	assert_int_equal(load_text("[maintenance]\nwindow = Sun 2am\n", NULL), -EINVAL);
	assert_non_null(strstr(first_error(), ":2: maintenance.window: '2am' is no begin and end"));
}

static void an_empty_file_is_valid_and_has_mx(void **state)
{
	assert_int_equal(load_text("", NULL), 0);
	assert_int_equal(config_service_index(&config, "mx"), 0);
	assert_int_equal(config.service[0].ports[0], 25);
	assert_int_equal(config.mode, PLAN_ENFORCE);
	assert_true(strlen(config.service[0].reply.hostname) > 0);
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

static void a_proxy_does_not_connect_to_itself(void **state)
{
	static const struct {
		const char *listen, *backend;
		bool itself;
	} rows[] = {
		{ "0.0.0.0:25", "127.0.0.1:25", true },
		{ "0.0.0.0:25", "127.8.8.8:25", true },
		{ "0.0.0.0:25", "0.0.0.0:25", true },
		{ "[::]:25", "[::1]:25", true },
		{ "192.0.2.1:25", "192.0.2.1:25", true },
		{ "0.0.0.0:25", "127.0.0.1:2525", false },
		{ "192.0.2.1:25", "127.0.0.1:25", false },
		{ "0.0.0.0:25", "192.0.2.7:25", false },
		{ "0.0.0.0:25", "[::1]:25", false },
	};
	char text[400];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text),
			 "[front.proxy]\nenabled = yes\nlisten = %s\nbackend = %s\n"
			 "proxy_protocol = v1\n",
			 rows[i].listen, rows[i].backend);
		assert_int_equal(load_text(text, NULL), rows[i].itself ? -EINVAL : 0);
		if (rows[i].itself)
			assert_non_null(strstr(first_error(), "is the proxy's own listen address"));
	}
	assert_int_equal(load_text("[front.proxy]\nproxy_protocol = v3\n", NULL), -EINVAL);
	assert_non_null(strstr(first_error(), "'v3' is not one of: none v1 v2"));
}

static void a_proxy_that_hides_addresses_is_asked_for(void **state)
{
	const char *front = "[front.proxy]\nenabled = yes\nlisten = 0.0.0.0:25\n"
			    "backend = 127.0.0.1:2525\n";
	char text[400], where[64];

	/* Said nothing: the line is that of the section. */
	assert_int_equal(load_text(front, NULL), -EINVAL);
	snprintf(where, sizeof(where), "%s:2: front.proxy.proxy_protocol: is missing", path);
	assert_memory_equal(first_error(), where, strlen(where));
	assert_non_null(strstr(first_error(), "v1 for Postfix, Exim or Haraka, v2 for OpenSMTPD"));
	assert_int_equal(load_text("[front.proxy]\nenabled = yes\nlisten = 0.0.0.0:25\n"
				   "backend = unix:/run/mta.sock\n",
				   NULL),
			 -EINVAL);
	snprintf(text, sizeof(text), "%sproxy_protocol = none\n", front);
	assert_int_equal(load_text(text, NULL), -EINVAL);
	snprintf(where, sizeof(where), "%s:5: front.proxy.proxy_protocol: none makes", path);
	assert_memory_equal(first_error(), where, strlen(where));
	assert_int_equal(load_text(text, "front.proxy.client_addresses_hidden=yes"), 0);
	snprintf(text, sizeof(text), "%sproxy_protocol = v2\n", front);
	assert_int_equal(load_text(text, NULL), 0);
	assert_int_equal(config.proxy.proxy_protocol, PROXY_PROTOCOL_V2);
	assert_int_equal(load_text(text, "front.proxy.accept_proxy_protocol=yes"), -EINVAL);
	assert_non_null(strstr(first_error(), "front.proxy.proxy_from: is missing"));
	snprintf(text, sizeof(text),
		 "%sproxy_protocol = v2\nproxy_from = 10.0.0.0/24 2001:db8::/64\n", front);
	assert_int_equal(load_text(text, "front.proxy.accept_proxy_protocol=yes"), 0);
	/* The peers of a UNIX socket count as ::. */
	assert_int_equal(errors.warnings, 0);
	front = "[front.proxy]\nenabled = yes\nlisten = 0.0.0.0:25, unix:/x\nproxy_protocol = v2\n"
		"backend = 127.0.0.1:2525\naccept_proxy_protocol = yes\n";
	assert_int_equal(load_text(front, "front.proxy.proxy_from=10.0.0.0/24"), 0);
	assert_int_equal(errors.warnings, 1);
	assert_non_null(strstr(errors.warning[0].reason, "UNIX socket"));
	assert_int_equal(load_text(front, "front.proxy.proxy_from=10.0.0.0/24 ::/128"), 0);
	assert_int_equal(errors.warnings, 0);
	/* A front that is not enabled needs nothing. */
	assert_int_equal(load_text(front, "front.proxy.enabled=no"), 0);
}

/* Beside the policy service or the proxy it decides nothing, and resets. */
static void the_gate_may_stand_beside_another_front_to_reset(void **state)
{
	const char *text =
		"[front.gate]\nenabled = yes\nrepeat = reset\n[front.proxy]\nenabled = yes\n"
		"listen = 0.0.0.0:25\nbackend = 127.0.0.1:2525\nproxy_protocol = v1\n"
		"proxy_from = 10.0.0.0/24\n";

	assert_int_equal(load_text(text, NULL), 0);
	assert_int_equal(load_text(text, "front.gate.repeat=dialogue"), -EINVAL);
	assert_non_null(strstr(first_error(), "one enforcing front per service"));
	assert_int_equal(load_text(text, "front.proxy.listen=systemd:proxy"), -EINVAL);
	assert_non_null(strstr(first_error(), "must know their port"));
	assert_int_equal(load_text(text, "front.proxy.accept_proxy_protocol=yes"), -EINVAL);
	assert_non_null(strstr(first_error(), "come through load balancers"));
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

static int index_of(const char *name)
{
	return config_service_index(&config, name);
}

static void reload_text(const char *text)
{
	const struct config_source source = { .file = path };
	struct config before = config, fresh;
	char why[256] = "";

	assert_int_equal(load_text(text, NULL), 0);
	assert_int_equal(config_reload(&source, &before, &fresh, why), 0);
	config = fresh;
}

/* Counters, windows and plans are kept by number. */
static void a_service_keeps_its_number_over_a_reload(void **state)
{
	assert_int_equal(load_text("[service.a]\nports = 1\n[service.b]\nports = 2\n"
				   "[service.c]\nports = 3\n",
				   NULL),
			 0);
	reload_text("[service.new]\nports = 4\n[service.c]\nports = 3\n[service.a]\nports = 5\n"
		    "[service.b]\nports = 2\n");
	assert_int_equal(config.services, 5);
	assert_int_equal(index_of("mx"), 0);
	assert_int_equal(index_of("a"), 1);
	assert_int_equal(index_of("b"), 2);
	assert_int_equal(index_of("c"), 3);
	assert_int_equal(index_of("new"), 4);
	assert_int_equal(config.service[1].ports[0], 5);
	/* Without one of them the others stay, as far as there are so many. */
	reload_text("[service.new]\nports = 4\n[service.c]\nports = 3\n[service.b]\nports = 2\n");
	assert_int_equal(config.services, 4);
	assert_int_equal(index_of("new"), 1);
	assert_int_equal(index_of("b"), 2);
	assert_int_equal(index_of("c"), 3);
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

/* Each of both limits holds: a high window_max does not cancel the slots. */
static void the_lower_of_slots_and_window_max_holds(void **state)
{
	static const struct {
		const char *text;
		unsigned max;
	} rows[] = {
		{ "[service.mx]\nslots = 100\n", 95 },
		{ "[service.mx]\nslots = 1\n", 1 },
		{ "[service.mx]\nslots = 100\n[objective]\nwindow_max = 500\n", 95 },
		{ "[service.mx]\nslots = 100\n[objective]\nwindow_max = 40\n", 40 },
		{ "[objective]\nwindow_max = 40\n", 40 },
		{ "", 0 },
	};
	static struct engine engine;
	static struct engine_config wanted;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(load_text(rows[i].text, NULL), 0);
		engine_config_from(&config, 1, &wanted);
		engine_init(&engine, &wanted, 1);
		assert_int_equal(engine.window[0].config.max, rows[i].max);
	}
}

/* Two services have slots of their own, as Postfix' smtpd and submission have. */
static void the_slots_of_a_service_hold_for_it_alone(void **state)
{
	static struct engine engine;
	static struct engine_config wanted;

	assert_int_equal(load_text("[service.mx]\nslots = 100\n[service.submission]\nslots = 20\n"
				   "[service.submissions]\nports = 465\n",
				   NULL),
			 0);
	engine_config_from(&config, 1, &wanted);
	engine_init(&engine, &wanted, 1);
	assert_int_equal(engine.window[0].config.max, 95);
	assert_int_equal(engine.window[1].config.max, 19);
	assert_int_equal(engine.window[2].config.max, 0);
	assert_int_equal(
		load_text("[service.submission]\nslots = 40\n[objective]\nwindow_max = 30\n", NULL),
		0);
	engine_config_from(&config, 1, &wanted);
	engine_configure(&engine, &wanted);
	assert_int_equal(engine.window[0].config.max, 30);
	assert_int_equal(engine.window[1].config.max, 30);
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

static void a_ninth_service_is_refused_with_what_to_do(void **state)
{
	char text[600] = "";

	for (int i = 0; i < 8; i++)
		sprintf(text + strlen(text), "[service.s%d]\nports = %d, %d\n", i, 1000 + i,
			2000 + i);
	assert_int_equal(load_text(text, NULL), -EINVAL); /* mx stands by default */
	assert_non_null(strstr(first_error(), "at most 8 services. A service may have several"));
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
	/* The longest list, in lines that may be read. */
	a = TEXT_OF(first);
	text_append(&a, "source.trusted=");
	for (int i = 0; i < CONFIG_NETWORKS; i++)
		text_append(&a, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:%d/128 ", 1000 + i);
	assert_int_equal(load_text("", first), 0);
	a = TEXT_OF(first);
	b = TEXT_OF(second);
	config_print(&config, &a);
	assert_int_equal(load_text(first, NULL), 0);
	assert_int_equal(config.sources.trusted.count, CONFIG_NETWORKS);
	config_print(&config, &b);
	assert_string_equal(first, second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_valid_and_has_mx),
		cmocka_unit_test(windows_add_up_and_are_read_back),
		cmocka_unit_test(values_carry_units),
		cmocka_unit_test(the_gate_may_stand_beside_another_front_to_reset),
		cmocka_unit_test(trusted_networks),
		cmocka_unit_test(a_proxy_does_not_connect_to_itself),
		cmocka_unit_test(a_proxy_that_hides_addresses_is_asked_for),
		cmocka_unit_test(errors_name_file_line_key_and_reason),
		cmocka_unit_test(a_bad_file_changes_nothing),
		cmocka_unit_test(a_service_keeps_its_number_over_a_reload),
		cmocka_unit_test(a_fragment_that_cannot_be_read_is_an_error),
		cmocka_unit_test(a_key_twice_in_one_file_is_warned_of),
		cmocka_unit_test(what_is_no_key_twice_is_not_warned_of),
		cmocka_unit_test(overrides_win_and_split_at_the_last_dot),
		cmocka_unit_test(the_lower_of_slots_and_window_max_holds),
		cmocka_unit_test(the_slots_of_a_service_hold_for_it_alone),
		cmocka_unit_test(a_value_goes_on_in_lines_that_begin_with_a_blank),
		cmocka_unit_test(a_line_that_is_too_long_is_an_error_with_its_remedy),
		cmocka_unit_test(a_ninth_service_is_refused_with_what_to_do),
		cmocka_unit_test(what_is_printed_reads_back_the_same),
	};

	return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
