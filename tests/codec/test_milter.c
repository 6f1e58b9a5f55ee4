#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/array.h"
#include "front/milter_codec.h"
#include "hex.h"

/* What Postfix 3.7.11 and Sendmail 8.17.1 really send of a client at 127.0.0.9 that is deferred,
 * says MAIL twice and leaves: options of version 6 with all steps, connect, MAIL, MAIL, quit;
 * macros and aborts between them. */
static const char postfix[] =
	"0000000d4f00000006000001ff001fffff0000006f44436a006d782e6578616d706c652e6f72"
	"67007b6461656d6f6e5f6e616d657d006d782e6578616d706c652e6f7267007b6461656d6f6e"
	"5f616464727d003132372e302e302e31007600506f737466697820332e372e3131005f00756e"
	"6b6e6f776e205b3132372e302e302e395d000000001a435b3132372e302e302e395d0034814d"
	"3132372e302e302e390000000002444800000047444d7b6d61696c5f616464727d0061406578"
	"616d706c652e6e6574007b6d61696c5f686f73747d006578616d706c652e6e6574007b6d6169"
	"6c5f6d61696c65727d00736d747000000000114d3c61406578616d706c652e6e65743e000000"
	"00014100000047444d7b6d61696c5f616464727d0061406578616d706c652e6e6574007b6d61"
	"696c5f686f73747d006578616d706c652e6e6574007b6d61696c5f6d61696c65727d00736d74"
	"7000000000114d3c61406578616d706c652e6e65743e00000000014100000001410000000151";
static const char sendmail[] =
	"0000000d4f00000006000001ff001fffff0000005144436a006d78312e6578616d706c652e6f"
	"7267005f005b3132372e302e302e395d007b6461656d6f6e5f6e616d657d004d54412d763400"
	"7b69665f6e616d657d006d78312e6578616d706c652e6f7267000000001a435b3132372e302e"
	"302e395d0034b3613132372e302e302e39000000000244480000005a444d6900364154314c65"
	"7559303030323935007b6d61696c5f6d61696c65727d0065736d7470007b6d61696c5f686f73"
	"747d006578616d706c652e6e65742e007b6d61696c5f616464727d0061406578616d706c652e"
	"6e657400000000114d3c61406578616d706c652e6e65743e000000005a444d6900364154314c"
	"65755a303030323935007b6d61696c5f6d61696c65727d0065736d7470007b6d61696c5f686f"
	"73747d006578616d706c652e6e65742e007b6d61696c5f616464727d0061406578616d706c65"
	"2e6e657400000000114d3c61406578616d706c652e6e65743e000000000151";

static const enum milter_kind kinds[] = { MILTER_OPTIONS, MILTER_CONNECT, MILTER_ENVELOPE,
					  MILTER_ENVELOPE, MILTER_QUIT };

static const char *shown(const struct milter_message *m)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(AF_INET6, &m->address, text, sizeof(text));
}

/* All that `bytes` hold is taken, in order; `at` counts the messages that are something. Returns
 * the octets that were taken. */
static size_t take(struct milter_reader *reader, const uint8_t *bytes, size_t length, size_t *at)
{
	struct milter_message m;
	size_t taken = 0, size;

	while (milter_parse(reader, bytes + taken, length - taken, &m, &size) == 1) {
		taken += size;
		if (m.kind == MILTER_NOTHING)
			continue;
		assert_true(*at < ARRAY_SIZE(kinds));
		assert_int_equal(m.kind, kinds[(*at)++]);
		if (m.kind == MILTER_OPTIONS) {
			assert_int_equal(m.version, 6);
			assert_int_equal(m.steps, 0x1fffff);
		}
		if (m.kind == MILTER_CONNECT) {
			assert_string_equal(shown(&m), "::ffff:127.0.0.9");
			assert_true(m.address_known && m.port > 10000);
			assert_false(m.local);
		}
	}
	return taken;
}

static void what_servers_send_at_every_split(void **state)
{
	static const char *const sessions[] = { postfix, sendmail };
	uint8_t bytes[1024];

	for (size_t i = 0; i < 2; i++) {
		size_t n = from_hex(sessions[i], bytes), taken = 0, at = 0;
		struct milter_reader octets = { 0 };

		for (size_t split = 0; split <= n; split++) {
			struct milter_reader reader = { 0 };

			at = 0;
			taken = take(&reader, bytes, split, &at);
			taken += take(&reader, bytes + taken, n - taken, &at);
			assert_int_equal(taken, n);
			assert_int_equal(at, ARRAY_SIZE(kinds));
		}
		/* and octet by octet */
		taken = at = 0;
		for (size_t have = 0; have <= n; have++)
			taken += take(&octets, bytes + taken, have - taken, &at);
		assert_int_equal(taken, n);
		assert_int_equal(at, ARRAY_SIZE(kinds));
	}
}

static int parse(const char *hex, struct milter_message *ret)
{
	struct milter_reader reader = { 0 };
	uint8_t bytes[256];
	size_t n = from_hex(hex, bytes), size;

	return milter_parse(&reader, bytes, n, ret, &size);
}

static void an_ipv6_client_and_those_without_an_address(void **state)
{
	struct milter_message m;

	/* As Sendmail writes it: x, 6, port 19759, "IPv6:::2". */
	assert_int_equal(parse("0000000f437800364d2f495076363a3a3a3200", &m), 1);
	assert_string_equal(shown(&m), "::2");
	assert_int_equal(m.port, 19759);

	/* x, U: a program that hands in mail on its standard input. */
	assert_int_equal(parse("0000000443780055", &m), 1);
	assert_true(m.local);
	assert_false(m.address_known);
	/* x, L, port 0, "/s" */
	assert_int_equal(parse("000000094378004c00002f7300", &m), 1);
	assert_true(m.local);
	assert_false(m.address_known);
	/* x, 4, port 1, "u" */
	assert_int_equal(parse("00000008437800340001"
			       "7500",
			       &m),
			 1);
	assert_false(m.local);
	assert_false(m.address_known);
}

static void what_is_none(void **state)
{
	static const char *const bad[] = {
		"48", /* text */
		"0000000041", /* of no octet */
		"0000000158", /* X is no command */
		"000000014f", /* options without any */
		"0000000143", /* connect without a name */
		"00000003437800", /* without a family */
		"0000000443780037", /* 7 is no family */
		"0000000643780034"
		"0001", /* without an address */
		"0000000843780034"
		"00017531", /* without its end */
		"000000054378005500", /* U has no more */
	};
	struct milter_message m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &m), -EBADMSG);
	assert_int_equal(parse("0000000d4f0000000100000000"
			       "00000000",
			       &m),
			 -EPROTONOSUPPORT);
	/* No more is waited for than is kept. */
	assert_int_equal(parse("0000100043", &m), -EMSGSIZE);
	assert_int_equal(parse("0010000242", &m), -EMSGSIZE);
	assert_int_equal(parse("0010000142", &m), 1);
}

static void what_the_server_hears(void **state)
{
	uint8_t b[MILTER_ANSWER_MAX];
	char longest[600];

	/* All steps but connect and MAIL are left out; what it did not offer is not asked for. */
	is_hex(b, milter_put_options(b, 6, 0x1fffff), "0000000d4f00000006000000000000037a");
	is_hex(b, milter_put_options(b, 2, 0x7f), "0000000d4f00000002000000000000007a");
	is_hex(b, milter_put_options(b, 9, 0), "0000000d4f000000060000000000000000");
	is_hex(b, milter_put_step(b, true), "0000000161");
	is_hex(b, milter_put_step(b, false), "0000000163");
	is_hex(b, milter_put_reply(b, "451 4.3.2 x 5%"),
	       "0000001179343531"
	       "20342e332e3220782035252500");
	memset(longest, '%', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_true(milter_put_reply(b, longest) <= MILTER_ANSWER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_servers_send_at_every_split),
		cmocka_unit_test(an_ipv6_client_and_those_without_an_address),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(what_the_server_hears),
	};

	return cmocka_run_group_tests_name("milter", tests, NULL, NULL);
}
