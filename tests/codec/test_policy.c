#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>

#include "front/policy_codec.h"

static const char whole[] =
	"request=smtpd_access_policy\nprotocol_state=CONNECT\nprotocol_name=SMTP\nhelo_name=\n"
	"client_address=203.0.113.9\nclient_port=4711\ninstance=7b.65a.0\nsender=a=b\n\nrest";

static void a_request(void **state)
{
	struct policy_request r;
	size_t size = 0;
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(policy_parse(whole, sizeof(whole) - 1, &r, &size), 1);
	assert_string_equal(whole + size, "rest");
	assert_true(r.address_known);
	inet_ntop(AF_INET6, &r.address, text, sizeof(text));
	assert_string_equal(text, "::ffff:203.0.113.9");
	assert_int_equal(r.port, 4711);
	assert_string_equal(r.session, "7b.65a");
	for (size_t i = 0; i < size; i++)
		assert_int_equal(policy_parse(whole, i, &r, &size), 0);
}

static int parse(const char *text)
{
	struct policy_request r;
	size_t size;

	return policy_parse(text, strlen(text), &r, &size);
}

static void what_is_none(void **state)
{
	char big[POLICY_REQUEST_MAX + 100];

	assert_int_equal(parse("\n"), -EBADMSG);
	assert_int_equal(parse("EHLO x\n"), -EBADMSG);
	assert_int_equal(parse("=x\n\n"), -EBADMSG);
	assert_int_equal(parse("request=junk\n\n"), -EBADMSG);
	assert_int_equal(parse("protocol_state=RCPT\n\n"), -EBADMSG);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	assert_int_equal(parse(big), -EMSGSIZE);
	for (size_t i = 0; i + 4 < sizeof(big); i += 4)
		memcpy(big + i, "a=b\n", 4);
	assert_int_equal(parse(big), -EMSGSIZE);
	assert_int_equal(policy_parse("a\0b", 3, &(struct policy_request){ 0 }, &(size_t){ 0 }),
			 -EBADMSG);
}

static void unknown_addresses_and_ports(void **state)
{
	struct policy_request r;
	size_t size;
	const char *text =
		"request=smtpd_access_policy\nclient_address=unknown\nclient_port=99999\n\n";

	assert_int_equal(policy_parse(text, strlen(text), &r, &size), 1);
	assert_false(r.address_known);
	assert_int_equal(r.port, 0);
	text = "request=smtpd_access_policy\nclient_address=2001:db8::9\nclient_port=unknown\n\n";
	assert_int_equal(policy_parse(text, strlen(text), &r, &size), 1);
	assert_true(r.address_known);
}

static void actions(void **state)
{
	char buf[64];

	assert_int_equal(policy_action(buf, sizeof(buf), "DUNNO"), 14);
	assert_string_equal(buf, "action=DUNNO\n\n");
	assert_int_equal(policy_action(buf, 10, "DUNNO"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_request),
					    cmocka_unit_test(what_is_none),
					    cmocka_unit_test(unknown_addresses_and_ports),
					    cmocka_unit_test(actions) };

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
