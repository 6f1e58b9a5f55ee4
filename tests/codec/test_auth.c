#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>

#include "front/auth_codec.h"

/* What nginx 1.22 sends by proxy_pass for a client of smtp_auth none. */
static const char whole[] =
	"GET /auth HTTP/1.0\r\nHost: penstock\r\nConnection: close\r\nAuth-Method: none\r\nAuth-User: \r\n"
	"Auth-Pass: \r\nAuth-Protocol: smtp\r\nAuth-Login-Attempt: 1\r\nClient-IP: 203.0.113.9\r\n"
	"Client-Host: [UNAVAILABLE]\r\nAuth-SMTP-Helo: x\r\nAuth-SMTP-From: MAIL FROM:<a@example.net>\r\n"
	"Auth-SMTP-To: RCPT TO:<b@example.org>\r\n\r\n";

static void a_question_at_every_split(void **state)
{
	char text[INET6_ADDRSTRLEN];
	struct auth_request r;
	size_t size = 0, length = sizeof(whole) - 1;

	for (size_t i = 1; i < length; i++)
		assert_int_equal(auth_parse(whole, i, &r, &size), 0);
	assert_int_equal(auth_parse(whole, length, &r, &size), 1);
	assert_int_equal(size, length);
	assert_true(r.smtp);
	assert_true(r.address_known);
	inet_ntop(AF_INET6, &r.address, text, sizeof(text));
	assert_string_equal(text, "::ffff:203.0.113.9");
}

static int parse(const char *text)
{
	struct auth_request r;
	size_t size;

	return auth_parse(text, strlen(text), &r, &size);
}

static void what_is_none(void **state)
{
	char big[AUTH_REQUEST_MAX + 100];
	struct auth_request r;
	size_t size;

	assert_int_equal(parse("EHLO x\r\n"), -EBADMSG);
	assert_int_equal(parse("P"), -EBADMSG);
	assert_int_equal(parse("GET / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"), -EBADMSG);
	assert_int_equal(parse("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), -EBADMSG);
	assert_int_equal(parse("GET / HTTP/1.0\r\nno header\r\n\r\n"), -EBADMSG);
	assert_int_equal(auth_parse("GET \0", 5, &r, &size), -EBADMSG);
	memset(big, 'x', sizeof(big));
	memcpy(big, "GET ", 4);
	assert_int_equal(auth_parse(big, sizeof(big), &r, &size), -EMSGSIZE);
	assert_int_equal(auth_parse("GET / HTTP/1.0\n\n", 16, &r, &size), 1);
	assert_false(r.smtp || r.address_known);
}

static void what_nginx_hears(void **state)
{
	char b[AUTH_ANSWER_MAX];

	b[auth_admit(b, "127.0.0.1", 2525)] = 0;
	assert_string_equal(
		b,
		"HTTP/1.1 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: 2525\r\n"
		"Content-Length: 0\r\nConnection: close\r\n\r\n");
	b[auth_defer(b, "451 4.3.2 overloaded")] = 0;
	assert_string_equal(
		b, "HTTP/1.1 200 OK\r\nAuth-Status: overloaded\r\nAuth-Error-Code: 451 4.3.2\r\n"
		   "Content-Length: 0\r\nConnection: close\r\n\r\n");
	b[auth_defer(b, "")] = 0;
	assert_non_null(strstr(b, "Auth-Error-Code: 451 4.3.2\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_at_every_split),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(what_nginx_hears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
