#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "unit/test_files.h"

static int ours, theirs;

static int set_up(void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	ours = pair[0];
	theirs = pair[1];
	return 0;
}

static int tear_down(void **state)
{
	close(ours);
	close(theirs);
	return 0;
}

/* How many descriptors this process has. */
static unsigned open_here(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void open_files(int *ret_fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_true((ret_fds[i] = memfd_create("passed", MFD_CLOEXEC)) >= 0);
}

static void close_all(const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

/* The sender keeps its own, the receiver gets others for the same files, in the same order. */
static void as_many_as_fit_are_received_in_order(void **state)
{
	int sent[FDPASS_MAX];
	struct fdpass got;
	char octets[8];

	open_files(sent, FDPASS_MAX);
	assert_int_equal(fdpass_send(ours, "four", 4, sent, FDPASS_MAX), 0);
	assert_int_equal(fdpass_receive(theirs, octets, sizeof(octets), MSG_DONTWAIT, &got), 4);
	assert_memory_equal(octets, "four", 4);
	assert_int_equal(got.count, FDPASS_MAX);
	assert_false(got.lost);
	for (unsigned i = 0; i < FDPASS_MAX; i++) {
		assert_true(same_file(sent[i], got.fds[i]));
		assert_int_not_equal(sent[i], got.fds[i]);
		assert_int_equal(fcntl(got.fds[i], F_GETFD), FD_CLOEXEC);
	}
	close_all(got.fds, got.count);
	close_all(sent, FDPASS_MAX);
}

static void more_than_fit_are_not_sent(void **state)
{
	int sent[FDPASS_MAX + 1] = { 0 };
	struct fdpass got;
	char octet;

	assert_int_equal(fdpass_send(ours, "x", 1, sent, FDPASS_MAX + 1), -EINVAL);
	assert_int_equal(fdpass_receive(theirs, &octet, 1, MSG_DONTWAIT, &got), -EAGAIN);
	assert_int_equal(got.count, 0);
}

static void a_message_may_come_without_any(void **state)
{
	struct fdpass got = { .count = 3, .lost = true };
	char octets[8];

	assert_int_equal(fdpass_send(ours, "none", 4, NULL, 0), 0);
	assert_int_equal(fdpass_receive(theirs, octets, sizeof(octets), MSG_DONTWAIT, &got), 4);
	assert_int_equal(got.count, 0);
	assert_false(got.lost);
}

static void a_full_queue_takes_nothing_and_does_not_wait(void **state)
{
	static const char octets[1024];
	int file, r = 0;

	open_files(&file, 1);
	for (int i = 0; i < 65536 && r == 0; i++)
		r = fdpass_send(ours, octets, sizeof(octets), &file, 1);
	/* Few descriptors may be on their way at once: ETOOMANYREFS comes before EAGAIN. */
	for (int i = 0; i < 65536 && (r == 0 || r == -ETOOMANYREFS); i++)
		r = fdpass_send(ours, octets, sizeof(octets), NULL, 0);
	assert_int_equal(r, -EAGAIN);
	close(file);
}

/* Those that could be received are closed again: the caller does not know of them. */
static void too_few_descriptors_left_is_said_and_none_is_kept(void **state)
{
	struct rlimit before, few;
	struct fdpass got;
	unsigned open_before;
	char octets[8];
	int sent[3];

	open_files(sent, 3);
	assert_int_equal(fdpass_send(ours, "three", 5, sent, 3), 0);
	close_all(sent, 3);
	open_before = open_here();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)sent[0] + 1; /* one is left */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(fdpass_receive(theirs, octets, sizeof(octets), MSG_DONTWAIT, &got), 5);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(got.lost);
	assert_int_equal(got.count, 0);
	assert_int_equal(open_here(), open_before);
}

/* With SO_PASSCRED the sender's identity stands before the descriptors. */
static void none_is_kept_unknown_beside_credentials(void **state)
{
	unsigned count[] = { 1, FDPASS_MAX };
	int sent[FDPASS_MAX], on = 1;
	unsigned open_before;
	struct fdpass got;
	char octets[8];

	assert_int_equal(setsockopt(theirs, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	for (unsigned i = 0; i < 2; i++) {
		open_files(sent, count[i]);
		assert_int_equal(fdpass_send(ours, "with", 4, sent, count[i]), 0);
		open_before = open_here();
		assert_int_equal(fdpass_receive(theirs, octets, sizeof(octets), MSG_DONTWAIT, &got),
				 4);
		assert_int_equal(got.count, got.lost ? 0 : count[i]);
		assert_true(count[i] > 1 || !got.lost);
		assert_int_equal(open_here(), open_before + got.count);
		for (unsigned n = 0; n < got.count; n++)
			assert_true(same_file(sent[n], got.fds[n]));
		close_all(got.fds, got.count);
		close_all(sent, count[i]);
	}
}

static void the_other_end_is_closed(void **state)
{
	struct fdpass got;
	char octet;

	close(ours);
	assert_int_equal(fdpass_receive(theirs, &octet, 1, 0, &got), 0);
	assert_int_equal(got.count, 0);
	ours = theirs;
	theirs = -1;
	assert_int_equal(fdpass_send(ours, "x", 1, NULL, 0), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_many_as_fit_are_received_in_order, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(more_than_fit_are_not_sent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_message_may_come_without_any, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_queue_takes_nothing_and_does_not_wait,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_few_descriptors_left_is_said_and_none_is_kept,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(none_is_kept_unknown_beside_credentials, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_other_end_is_closed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
