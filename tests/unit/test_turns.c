#include "cmocka_test.h"

#include "core/turns.h"

static struct turns t;
static int busy;
static unsigned jobs;
static uint64_t unseen_us;

static int setup(void **state)
{
	turns_begin(&t, 1000);
	busy = 1;
	jobs = 0;
	unseen_us = 0;
	return 0;
}

static void add(struct turns_change c)
{
	busy += c.busy;
	jobs += c.jobs;
	unseen_us += c.unseen_busy_us;
}

static void client(uint64_t at, const char *text)
{
	add(turns_client(&t, at, text, strlen(text)));
}

static void server(uint64_t at, const char *text)
{
	add(turns_server(&t, at, text, strlen(text)));
}

static void a_session_is_one_job_and_the_server_owes_between_line_and_reply(void **state)
{
	assert_int_equal(busy, 1);
	server(5000, "220 x\r\n");
	assert_true(t.greeted);
	assert_int_equal(busy, 0);
	client(100000, "EHLO x");
	assert_int_equal(busy, 0); /* no whole line yet */
	client(110000, "\r\n");
	assert_int_equal(busy, 1);
	server(112000, "250 x\r\n");
	assert_int_equal(busy, 0);
	client(200000, "QUIT\r\n");
	server(201000, "221 bye\r\n");
	add(turns_end(&t, 201000, true));
	assert_int_equal(jobs, 1);
	assert_int_equal(t.server_us, 4000 + 2000 + 1000);
}

static void a_stalled_body_is_not_busy(void **state)
{
	server(2000, "220 x\r\n");
	client(3000, "DATA\r\n");
	server(4000, "354 go on\r\n");
	client(5000, "Subject: x\r\n\r\nsome text\r\n");
	assert_int_equal(busy, 0);
	client(900000, "..\r\n more\r\n.");
	assert_int_equal(busy, 0);
	client(950000, "\r\n");
	assert_int_equal(busy, 1);
	server(960000, "250 ok\r\n");
	assert_int_equal(busy, 0);
}

static void the_dot_may_come_byte_by_byte_or_alone(void **state)
{
	server(2000, "220 x\r\n");
	client(3000, "DATA\r\n");
	server(4000, "354 go on\r\n");
	client(5000, ".\r\n");
	assert_int_equal(busy, 1);
	server(6000, "250 ok\r\n");
	client(7000, "DATA\r\n");
	server(8000, "354 go on\r\n");
	for (const char *p = "a\r\n.\r\n"; *p; p++) {
		assert_int_equal(busy, 0);
		add(turns_client(&t, 9000, p, 1));
	}
	assert_int_equal(busy, 1);
}

static void a_354_behind_pipelined_replies_is_seen(void **state)
{
	server(2000, "220 x\r\n");
	client(3000, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
	server(4000, "250 ok\r\n250 ok\r\n354 go on\r\n");
	client(5000, "line\r\n");
	assert_int_equal(busy, 0);
}

static void a_reused_connection_counts_its_messages(void **state)
{
	server(2000, "220 x\r\n");
	for (int i = 0; i < 40; i++) {
		client(3000, "NOOP\r\n");
		server(4000, "250 ok\r\n");
	}
	add(turns_end(&t, 5000, true));
	assert_int_equal(jobs, 41 / TURNS_PER_JOB + 1);
}

static void silence_and_a_scan_are_no_job(void **state)
{
	server(2000, "220 x\r\n");
	add(turns_end(&t, 3000, true));
	assert_int_equal(jobs, 0);
	setup(NULL);
	add(turns_end(&t, 3000, false)); /* never greeted */
	assert_int_equal(jobs, 0);
	assert_int_equal(busy, 0);
	setup(NULL);
	server(2000, "220 x\r\n");
	client(3000, "EHLO x\r\n");
	server(4000, "250 x\r\n");
	add(turns_end(&t, 5000, false)); /* aborted */
	assert_int_equal(jobs, 0);
}

static void inside_tls_the_turn_ends_with_quiet(void **state)
{
	server(2000, "220 x\r\n");
	client(3000, "\x16\x03\x01hello");
	assert_int_equal(busy, 0);
	add(turns_tick(&t, 3000 + TURNS_QUIET_US - 1));
	assert_int_equal(busy, 0);
	add(turns_tick(&t, 3000 + TURNS_QUIET_US));
	assert_int_equal(busy, 1);
	assert_int_equal(unseen_us, TURNS_QUIET_US); /* busy since its last byte */
	server(100000, "\x17\x03\x03...");
	assert_int_equal(busy, 0);
	client(200000, "\x17\x03\x03...");
	server(205000, "\x17\x03\x03...");
	assert_int_equal(unseen_us, TURNS_QUIET_US + 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_session_is_one_job_and_the_server_owes_between_line_and_reply, setup),
		cmocka_unit_test_setup(a_stalled_body_is_not_busy, setup),
		cmocka_unit_test_setup(the_dot_may_come_byte_by_byte_or_alone, setup),
		cmocka_unit_test_setup(a_354_behind_pipelined_replies_is_seen, setup),
		cmocka_unit_test_setup(a_reused_connection_counts_its_messages, setup),
		cmocka_unit_test_setup(silence_and_a_scan_are_no_job, setup),
		cmocka_unit_test_setup(inside_tls_the_turn_ends_with_quiet, setup),
	};

	return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
