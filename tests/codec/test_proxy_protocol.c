#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>

#include "proxy/proxy_protocol.h"

static int decode(const char *bytes, size_t length, struct proxy_addresses *ret)
{
	return proxy_protocol_decode((const uint8_t *)bytes, length, ret);
}

#define TEXT(s) s, sizeof(s) - 1

static void version_1(void **state)
{
	struct proxy_addresses a;
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(decode(TEXT("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\nEHLO"), &a),
			 44);
	assert_true(a.known);
	assert_int_equal(a.source_port, 56324);
	assert_int_equal(a.destination_port, 25);
	inet_ntop(AF_INET6, &a.source, text, sizeof(text));
	assert_string_equal(text, "::ffff:192.0.2.1");
	assert_int_equal(decode(TEXT("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"), &a), 40);
	assert_true(a.known);
	assert_int_equal(decode(TEXT("PROXY UNKNOWN\r\n"), &a), 15);
	assert_false(a.known);
	assert_int_equal(decode(TEXT("PROXY TC"), &a), 0);
	assert_int_equal(decode(TEXT("PROXY TCP4 192.0.2.1 198.51.100.2 56324 25"), &a), 0);
	for (const char *const *p =
		     (const char *const[]){ "EHLO x\r\n",
					    "PROXY TCP4 192.0.2.1 198.51.100.2 99999 25\r\n",
					    "PROXY TCP4 2001:db8::1 198.51.100.2 1 25\r\n",
					    "PROXY TCP4 192.0.2.1 1 25\r\n",
					    "PROXY TCP4 192.0.2.1  198.51.100.2 1 25\r\n",
					    "PROXY TCP4 192.0.2.1 198.51.100.2 1 25 \r\n", NULL };
	     *p; p++)
		assert_int_equal(decode(*p, strlen(*p), &a), -EPROTO);
}

static void an_endless_line_is_none(void **state)
{
	struct proxy_addresses a;
	char line[200];

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY ", 6);
	assert_int_equal(decode(line, sizeof(line), &a), -EPROTO);
}

static void what_is_written_reads_back(void **state)
{
	for (int version = 1; version <= 2; version++) {
		for (int v6 = 0; v6 < 2; v6++) {
			struct proxy_addresses a = { .known = true,
						     .source_port = 1234,
						     .destination_port = 25 },
					       b;
			uint8_t out[PROXY_PROTOCOL_MAX];
			size_t n;

			inet_pton(AF_INET6, v6 ? "2001:db8::9" : "::ffff:203.0.113.9", &a.source);
			inet_pton(AF_INET6, v6 ? "2001:db8::1" : "::ffff:127.0.0.1",
				  &a.destination);
			n = proxy_protocol_encode(version, &a, out);
			assert_int_equal(proxy_protocol_decode(out, n, &b), n);
			assert_true(b.known);
			assert_memory_equal(&a.source, &b.source, 16);
			assert_memory_equal(&a.destination, &b.destination, 16);
			assert_int_equal(b.source_port, 1234);
			for (size_t i = 0; i < n; i++)
				assert_int_equal(proxy_protocol_decode(out, i, &b), 0);
		}
	}
}

static void version_2_of_others(void **state)
{
	static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
	struct proxy_addresses a;
	char h[64] = { 0 };

	memcpy(h, signature, 12);
	h[12] = 0x20; /* LOCAL */
	assert_int_equal(decode(h, 16, &a), 16);
	assert_false(a.known);
	h[13] = 0x11; /* LOCAL with a block of addresses: they are not the client's */
	h[15] = 12;
	memset(&a, 0, sizeof(a));
	assert_int_equal(decode(h, 40, &a), 28);
	assert_false(a.known);
	h[12] = 0x21;
	h[13] = 0x11;
	h[15] = 4; /* too short for IPv4 */
	assert_int_equal(decode(h, 40, &a), -EPROTO);
	h[12] = 0x31; /* another version */
	h[15] = 12;
	assert_int_equal(decode(h, 40, &a), -EPROTO);
	h[12] = 0x21;
	h[14] = (char)0xff; /* more TLVs than have come yet */
	assert_int_equal(decode(h, 40, &a), 0);
}

/* Custom TLVs of balancers have thousands of octets (go-proxyproto#123, envoy#37591). */
static void version_2_of_any_length(void **state)
{
	static uint8_t h[16 + 65535];
	struct proxy_addresses a;

	memcpy(h, "\r\n\r\n\0\r\nQUIT\n\x21\x11", 14);
	assert_int_equal(proxy_protocol_length(h, 15), PROXY_PROTOCOL_MAX);
	for (size_t whole = 600; whole <= sizeof(h); whole = whole < 3000 ? 3000 : whole * 2) {
		h[14] = (uint8_t)((whole - 16) >> 8);
		h[15] = (uint8_t)(whole - 16);
		assert_int_equal(proxy_protocol_length(h, 16), whole);
		assert_int_equal(proxy_protocol_decode(h, whole - 1, &a), 0);
		assert_int_equal(proxy_protocol_decode(h, whole, &a), whole);
		assert_true(a.known);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_1),
		cmocka_unit_test(an_endless_line_is_none),
		cmocka_unit_test(what_is_written_reads_back),
		cmocka_unit_test(version_2_of_others),
		cmocka_unit_test(version_2_of_any_length),
	};

	return cmocka_run_group_tests_name("proxy protocol", tests, NULL, NULL);
}
