#include "cmocka_test.h"

#include "publish/hosts.h"

static void addresses_and_localhost_are_allowed(void **state)
{
	for (const char *const *p =
		     (const char *const[]){ "127.0.0.1", "127.0.0.1:9825", "192.0.2.1:80", "[::1]",
					    "[::1]:9825", "[2001:db8::1]:1", "localhost",
					    "LocalHost:9825", "localhost.", "app.localhost:1",
					    NULL };
	     *p; p++)
		assert_true(hosts_allow(*p, ""));
	assert_true(hosts_allow(NULL, ""));
}

static void other_names_are_not(void **state)
{
	for (const char *const *p =
		     (const char *const[]){ "rebind.attacker.example:32200", "", ":80", "x",
					    "notlocalhost", "localhost.attacker.example",
					    "127.0.0.1.attacker.example", "127.0.0.1:80:80", "[::1",
					    "[::1]x", "[]", "[attacker.example]", "localhost:x",
					    "127.0.0.1@attacker.example", "0x7f.1", NULL };
	     *p; p++)
		assert_false(hosts_allow(*p, ""));
}

static void configured_names_are_allowed(void **state)
{
	const char *names = "mx1.example.org, metrics  [";

	assert_true(hosts_allow("MX1.example.org:9825", names));
	assert_true(hosts_allow("mx1.example.org.", names));
	assert_true(hosts_allow("metrics", names));
	assert_false(hosts_allow("mx1.example.orga", names));
	assert_false(hosts_allow("mx1.example", names));
	assert_false(hosts_allow("[", names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_localhost_are_allowed),
		cmocka_unit_test(other_names_are_not),
		cmocka_unit_test(configured_names_are_allowed),
	};

	return cmocka_run_group_tests_name("hosts", tests, NULL, NULL);
}
