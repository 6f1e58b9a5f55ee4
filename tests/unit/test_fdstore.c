#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/fdstore.h"
#include "unit/test_files.h"
#include "unit/service_manager.h"

/* What the manager was told, and the descriptor that came with it (-1: none). */
static int told(int manager_fd, char *text, size_t size)
{
	struct fdpass passed;
	ssize_t n = fdpass_receive(manager_fd, text, size - 1, MSG_DONTWAIT, &passed);

	assert_true(n > 0);
	assert_true(passed.count <= 1);
	text[n] = 0;
	return passed.count ? passed.fds[0] : -1;
}

static void push_and_remove(void **state)
{
	int m = manager(), kept = memfd_create("kept", MFD_CLOEXEC), got;
	char text[256];

	assert_int_equal(fdstore_push("gate-link", kept), 0);
	got = told(m, text, sizeof(text));
	assert_string_equal(text, "FDSTORE=1\nFDNAME=gate-link\nFDPOLL=0");
	assert_true(same_file(got, kept));
	assert_int_equal(fdstore_remove("gate-link"), 0);
	assert_int_equal(told(m, text, sizeof(text)), -1);
	assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=gate-link");
	/* A name that could say something else to the manager is not said. */
	assert_int_equal(fdstore_push("a\nSTOPPING=1", kept), -EINVAL);
	assert_int_equal(fdstore_push("", kept), -EINVAL);
	assert_int_equal(fdstore_push("a:b", kept), -EINVAL);
	close(got);
	close(kept);
	close(m);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(fdstore_push("gate-link", 0), -ENOTCONN);
	assert_int_equal(fdstore_remove("gate-link"), -ENOTCONN);
}

#define IN_CHILD(condition) \
	do { \
		if (!(condition)) \
			_exit(__LINE__ % 250 + 1); \
	} while (0)

/* As a service that was just started with three descriptors. */
static void service(int a, int b, int c)
{
	char pid[32];
	int got, copy;

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", "policy:gate-link:gate-map", 1);
	IN_CHILD(dup2(a, 103) == 103 && dup2(b, 104) == 104 && dup2(c, 105) == 105);
	IN_CHILD(dup2(103, 3) == 3 && dup2(104, 4) == 4 && dup2(105, 5) == 5);
	IN_CHILD(fdstore_take("other") == -ENOENT);
	got = fdstore_take("gate-link");
	IN_CHILD(got > 5 && same_file(got, 104) && !same_file(4, 104));
	IN_CHILD(fcntl(got, F_GETFD) & FD_CLOEXEC);
	/* Once; and the others are still there, whatever becomes of the first. */
	IN_CHILD(fdstore_take("gate-link") == -ENOENT);
	close(got);
	got = fdstore_take("gate-map");
	IN_CHILD(got > 5 && same_file(got, 105));
	copy = fdstore_copy("policy", 0);
	IN_CHILD(copy > 5 && same_file(copy, 103));
	close(copy);
	copy = fdstore_copy("policy", 0); /* a reload */
	IN_CHILD(copy > 5 && same_file(copy, 103) && same_file(3, 103));
	_exit(0);
}

static void taken_once_copied_often(void **state)
{
	int a = memfd_create("a", MFD_CLOEXEC), b = memfd_create("b", MFD_CLOEXEC);
	int c = memfd_create("c", MFD_CLOEXEC), status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		service(a, b, c);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close(a);
	close(b);
	close(c);
}

static void no_manager_passed_anything(void **state)
{
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	assert_int_equal(fdstore_take("gate-link"), -ENOENT);
	assert_int_equal(fdstore_copy("policy", 0), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(push_and_remove),
					    cmocka_unit_test(taken_once_copied_often),
					    cmocka_unit_test(no_manager_passed_anything) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
