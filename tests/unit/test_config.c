/* What the options mean, how they agree with each other, and what a reload keeps. How files are
 * read is in test_config_files.c. */
#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/array.h"
#include "base/text.h"
#include "config/engine_config.h"
#include "config/options.h"
#include "config/reload.h"
#include "unit/config_text.h"

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

/* Postfix does not say when a session ends, so nothing counts them there. */
static void a_limit_of_sessions_is_none_where_a_server_asks(void **state)
{
	const char *front = "[front.policy]\nenabled = yes\nlisten = unix:/x\n";

	assert_int_equal(load_text(front, NULL), 0);
	assert_int_equal(errors.warnings, 0);
	assert_int_equal(load_text(front, "source.sessions_max=20"), 0);
	assert_int_equal(errors.warnings, 1);
	assert_non_null(strstr(errors.warning[0].reason, "does not hold for front.policy"));
	assert_int_equal(load_text("[source]\nsessions_max = 20\n", NULL), 0);
	assert_int_equal(errors.warnings, 0);
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
	assert_non_null(strstr(first, "\nrunq_p99_us = 50ms\n"));
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
		cmocka_unit_test(a_limit_of_sessions_is_none_where_a_server_asks),
		cmocka_unit_test(a_service_keeps_its_number_over_a_reload),
		cmocka_unit_test(the_lower_of_slots_and_window_max_holds),
		cmocka_unit_test(the_slots_of_a_service_hold_for_it_alone),
		cmocka_unit_test(a_ninth_service_is_refused_with_what_to_do),
		cmocka_unit_test(what_is_printed_reads_back_the_same),
	};

	return cmocka_run_group_tests_name("config", tests, setup, teardown);
}
