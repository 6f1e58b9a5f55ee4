#include "cmocka_test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/helper_life.h"

/* The helper is this program with ARGUMENT: it sends back each octet that it gets. */
#define ARGUMENT "--echo"
#define BEATS 2

static const struct helper_kind kind = {
	.name = "test-echo",
	.argument = ARGUMENT,
	.does = "echoes",
	.meanwhile = "Nothing is echoed.",
	.channel = SOCK_SEQPACKET | SOCK_NONBLOCK,
	.beats_max = BEATS,
	.silent = "it is silent",
};

static struct helper_life life;
static uint64_t now_us;
static int channel, ups, downs, asks, up_result;
static char why[64];

static int on_up(void *context, int fd, uint64_t now)
{
	assert_ptr_equal(context, &channel);
	channel = fd;
	ups++;
	return up_result;
}

static void on_down(void *context, const char *reason)
{
	if (channel >= 0)
		close(channel);
	channel = -1;
	downs++;
	snprintf(why, sizeof(why), "%s", reason);
}

static void on_ask(void *context)
{
	asks++;
}

static int setup(void **state)
{
	static const struct helper_events events = { .up = on_up, .down = on_down, .ask = on_ask };

	life = (struct helper_life){ .kind = &kind, .events = &events, .context = &channel };
	now_us = 1000 * US_PER_S;
	channel = -1;
	ups = downs = asks = up_result = 0;
	return 0;
}

static int teardown(void **state)
{
	helper_life_stop(&life);
	if (channel >= 0)
		close(channel);
	return 0;
}

/* The kernel may take a while to end a process. The time of the helper stands meanwhile. */
static void wait_for_its_end(void)
{
	for (int i = 0; i < 60000 && !helper_life_step(&life, now_us); i++)
		usleep(1000);
}

static void step_after(double seconds)
{
	now_us += (uint64_t)(seconds * US_PER_S);
	assert_false(helper_life_step(&life, now_us));
}

static char echo(char octet)
{
	char back = 0;
	ssize_t n = -1;

	assert_int_equal(send(channel, &octet, 1, 0), 1);
	for (int i = 0; i < 60000 && n < 0; i++) {
		n = recv(channel, &back, 1, 0);
		if (n < 0)
			usleep(1000);
	}
	return back;
}

static void it_is_started_by_the_first_step_and_talks(void **state)
{
	assert_false(helper_life_talks(&life));
	step_after(0);
	assert_true(helper_life_talks(&life));
	assert_int_equal(ups, 1);
	assert_int_equal(echo('a'), 'a');
	step_after(1);
	assert_int_equal(ups, 1);
	assert_int_equal(helper_life_restarts(&life), 0);
}

static void one_that_was_killed_is_started_again_after_a_pause_that_grows(void **state)
{
	step_after(0);
	for (int pause = 1; pause <= 4; pause *= 2) {
		kill(life.helper.pid, SIGKILL);
		wait_for_its_end();
		assert_string_equal(why, "signal 9");
		assert_false(helper_life_talks(&life));
		step_after(pause - .1);
		assert_false(helper_life_talks(&life));
		step_after(.2);
		assert_true(helper_life_talks(&life));
		assert_int_equal(echo('b'), 'b');
	}
	assert_int_equal(downs, 3);
	assert_int_equal(ups, 4);
	assert_int_equal(helper_life_restarts(&life), 3);
}

static void of_several_reasons_to_end_it_the_first_is_told(void **state)
{
	step_after(0);
	helper_life_break(&life, "it lies");
	helper_life_break(&life, "");
	assert_false(helper_life_talks(&life));
	assert_int_equal(downs, 0); /* the caller may be using the channel */
	wait_for_its_end();
	assert_int_equal(downs, 1);
	assert_string_equal(why, "it lies");
	helper_life_break(&life, "there is none");
	step_after(2);
	assert_true(helper_life_talks(&life));
}

static void one_that_gives_no_sign_is_ended(void **state)
{
	step_after(0);
	for (int i = 0; i < 3 * BEATS; i++) {
		step_after(2);
		helper_life_heard(&life);
	}
	assert_int_equal(asks, 3 * BEATS);
	for (int i = 0; i < BEATS; i++)
		step_after(2);
	assert_true(helper_life_talks(&life));
	now_us += 2 * US_PER_S;
	wait_for_its_end();
	assert_string_equal(why, "it is silent");
	assert_int_equal(asks, 4 * BEATS);
}

static void one_that_its_owner_cannot_take_is_ended(void **state)
{
	up_result = -ENOMEM;
	helper_life_step(&life, now_us);
	assert_false(helper_life_talks(&life));
	wait_for_its_end();
	assert_string_equal(why, strerror(ENOMEM));
	up_result = 0;
	step_after(2);
	assert_true(helper_life_talks(&life));
}

static void what_is_stopped_is_not_said_to_be_down(void **state)
{
	step_after(0);
	helper_life_stop(&life);
	assert_int_equal(downs, 0);
	assert_false(helper_life_talks(&life));
	close(channel);
	step_after(0);
	assert_int_equal(ups, 2);
	assert_int_equal(echo('c'), 'c');
}

static int be_the_helper(int fd)
{
	struct pollfd ready = { fd, POLLIN, 0 };
	char octet;

	while (poll(&ready, 1, -1) == 1 && recv(fd, &octet, 1, 0) == 1)
		if (send(fd, &octet, 1, 0) < 0)
			break;
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_started_by_the_first_step_and_talks),
		TEST(one_that_was_killed_is_started_again_after_a_pause_that_grows),
		TEST(of_several_reasons_to_end_it_the_first_is_told),
		TEST(one_that_gives_no_sign_is_ended),
		TEST(one_that_its_owner_cannot_take_is_ended),
		TEST(what_is_stopped_is_not_said_to_be_down),
	};

	if (argc == 3 && strcmp(argv[1], ARGUMENT) == 0)
		return be_the_helper(atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
