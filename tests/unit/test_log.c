/* If no process reads the log, log_close() does not wait for one. */
#include "cmocka_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static void its_end_does_not_wait_for_who_does_not_read(void **state)
{
	int pipe_fds[2], null = open("/dev/null", O_WRONLY);
	char line[600];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = 0;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_true(fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096) > 0);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	assert_int_equal(log_open("test", LOG_LEVEL_INFO), 0);
	for (int i = 0; i < 50; i++)
		log_info("%s", line);
	alarm(120); /* which ends this test where the end waits */
	log_close();
	alarm(0);
	/* The thread goes on when it can; nothing reports that. */
	signal(SIGPIPE, SIG_IGN);
	assert_true(dup2(null, STDERR_FILENO) >= 0);
	close(null);
	close(pipe_fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_end_does_not_wait_for_who_does_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
