#include "cmocka_test.h"

#include <arpa/inet.h>

#include "front/spop_codec.h"
#include "hex.h"

/* What HAProxy 2.6.12 and 3.0.11 really send; both send the same but for the engine's id. */
static const char check_hello[] =
	"0000004e0100000001000012737570706f727465642d76657273696f6e730803322e300e6d61782d6672616d652d73697a6503fcf0060c"
	"6361706162696c697469657308000b6865616c7468636865636b11";
static const char hello[] =
	"000000810100000001000012737570706f727465642d76657273696f6e730803322e300e6d61782d6672616d652d73697a6503fcf0060c"
	"6361706162696c69746965730810706970656c696e696e672c6173796e6309656e67696e652d6964082435323236616464332d38613730"
	"2d343465632d613131342d643238616138393338363038";
/* args src=src port=src_port: a client of an IPv6 socket, IPv4 mapped, and ::1. */
static const char notify_mapped[] =
	"0000002e0300000001000107636f6e6e65637402037372630700000000000000000000ffff7f00000104706f727404f4d313";
static const char notify_v6[] =
	"0000002e0300000001020107636f6e6e6563740203737263070000000000000000000000000000000104706f727404fce813";
/* The same message from an IPv4 socket, of stream 70000 and frame 300; length and address are put
 * in below. */
static const char notify_v4[] = "000000210300000001f0ff21fc0307636f6e6e65637401037372630600000000";
static const char disconnect[] =
	"00000031020000000100000b7374617475732d636f64650302076d6573736167650812612074696d656f7574206f63637572726564";

static struct spop_request whole(const char *hex)
{
	struct spop_request q;
	uint8_t bytes[512];
	size_t n = from_hex(hex, bytes), size = 0;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(spop_parse(bytes, i, &q, &size), 0);
	bytes[n] = 0xee; /* of the next one */
	assert_int_equal(spop_parse(bytes, n + 1, &q, &size), 1);
	assert_int_equal(size, n);
	return q;
}

static void what_haproxy_sends_at_every_split(void **state)
{
	struct spop_request q = whole(check_hello);
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(q.kind, SPOP_HELLO);
	assert_true(q.health_check);
	assert_int_equal(q.frame_max, 16380);
	q = whole(hello);
	assert_int_equal(q.kind, SPOP_HELLO);
	assert_false(q.health_check);
	q = whole(notify_mapped);
	assert_int_equal(q.kind, SPOP_NOTIFY);
	assert_true(q.address_known);
	inet_ntop(AF_INET6, &q.address, text, sizeof(text));
	assert_string_equal(text, "::ffff:127.0.0.1");
	assert_int_equal(q.stream, 0);
	assert_int_equal(q.frame, 1);
	q = whole(notify_v6);
	inet_ntop(AF_INET6, &q.address, text, sizeof(text));
	assert_string_equal(text, "::1");
	assert_int_equal(whole(disconnect).kind, SPOP_DISCONNECT);
}

static void an_ipv4_client_and_long_numbers(void **state)
{
	uint8_t bytes[64];
	size_t n = from_hex(notify_v4, bytes), size;
	struct spop_request q;
	char text[INET6_ADDRSTRLEN];

	memcpy(bytes + n - 4, "\xcb\x00\x71\x09", 4);
	bytes[3] = (uint8_t)(n - 4);
	assert_int_equal(spop_parse(bytes, n, &q, &size), 1);
	inet_ntop(AF_INET6, &q.address, text, sizeof(text));
	assert_string_equal(text, "::ffff:203.0.113.9");
	assert_int_equal(q.stream, 240 + (0xff << 4) + (0x21 << 11));
	assert_int_equal(q.frame, 0xfc + (3 << 4));
}

static int parse(const char *hex)
{
	struct spop_request q;
	uint8_t bytes[512];
	size_t n = from_hex(hex, bytes), size;

	return spop_parse(bytes, n, &q, &size);
}

static void what_is_none(void **state)
{
	struct spop_request q;
	uint8_t bytes[512];
	size_t n, size;

	assert_int_equal(spop_parse((const uint8_t *)"EHLO x\r\n", 8, &q, &size), -SPOP_TOO_BIG);
	assert_int_equal(parse("00003ffd"), -SPOP_TOO_BIG);
	assert_int_equal(parse("00000000"), -SPOP_INVALID);
	assert_int_equal(parse("0000000703000000000000"), -SPOP_FRAGMENTED);
	assert_int_equal(parse("0000000700000000010000"), -SPOP_FRAGMENTED);
	assert_int_equal(parse("0000000709000000010000"), -SPOP_INVALID);
	/* A varint without an end. */
	assert_int_equal(parse("00000011030000000100ffffffffffffffffffffff"), -SPOP_INVALID);
	assert_int_equal(parse("0000000701000000010000"), -SPOP_NO_VERSION);
	assert_int_equal(
		parse("0000001f0100000001000012737570706f727465642d76657273696f6e730803312e30"),
		-SPOP_BAD_VERSION);
	assert_int_equal(
		parse("0000001f0100000001000012737570706f727465642d76657273696f6e730803322e30"),
		-SPOP_NO_FRAME_SIZE);
	assert_int_equal(
		parse("000000300100000001000012737570706f727465642d76657273696f6e730803322e300e6d61782d6672616d652d73697a650310"),
		-SPOP_BAD_FRAME_SIZE);
	/* Each shorter frame than the one that was sent lacks something. */
	n = from_hex(notify_v6, bytes);
	for (uint8_t less = 1; less < 0x2e - 8; less++) {
		bytes[3] = (uint8_t)(0x2e - less);
		assert_int_equal(spop_parse(bytes, n - less, &q, &size), -SPOP_INVALID);
	}
}

static void what_haproxy_hears(void **state)
{
	uint8_t b[SPOP_ANSWER_MAX];
	char longest[600];

	is_hex(b, spop_put_hello(b, 16380),
	       "00000040650000000100000776657273696f6e0803322e300e6d61782d6672616d652d73697a6503fcf0060c6361706162696c697469"
	       "6573080a706970656c696e696e67");
	is_hex(b, spop_put_ack(b, 2, 1, NULL), "0000000767000000010201");
	is_hex(b, spop_put_ack(b, 240 + (0xff << 4) + (0x21 << 11), 300, "451 4.3.2 x"),
	       "0000002a6700000001f0ff21fc0301030105646566657211010301057265706c79080b34353120342e332e322078");
	is_hex(b, spop_put_disconnect(b, SPOP_OK),
	       "00000025660000000100000b7374617475732d636f64650300076d65737361676508066e6f726d616c");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_true(spop_put_ack(b, UINT64_MAX, UINT64_MAX, longest) <= SPOP_ANSWER_MAX);
	for (int s = 0; s < 100; s++)
		assert_true(spop_put_disconnect(b, (enum spop_status)s) <= SPOP_ANSWER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_haproxy_sends_at_every_split),
		cmocka_unit_test(an_ipv4_client_and_long_numbers),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(what_haproxy_hears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
