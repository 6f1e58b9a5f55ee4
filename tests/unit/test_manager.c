#include "cmocka_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/manager.h"
#include "unit/service_manager.h"

static void fill(void)
{
	int r = 0;

	for (int i = 0; i < 4096 && r == 0; i++)
		r = manager_tell("WATCHDOG=1", NULL, 0, 0);
	assert_int_equal(r, -EAGAIN);
}

static void *take_all(void *fd)
{
	char text[64];

	usleep(50000); /* meanwhile the other one waits */
	while (recv(*(int *)fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	return NULL;
}

static void one_that_does_not_read(void **state)
{
	int fd = manager();
	pthread_t thread;

	fill();
	assert_int_equal(manager_tell("READY=1", NULL, 0, 0), -EAGAIN);
	assert_int_equal(manager_tell("READY=1", NULL, 0, 20), -EAGAIN);
	assert_int_equal(pthread_create(&thread, NULL, take_all, &fd), 0);
	assert_int_equal(manager_tell("READY=1", NULL, 0, 60000), 0);
	pthread_join(thread, NULL);
	close(fd);
	assert_int_equal(manager_tell("READY=1", NULL, 0, 0), -ECONNREFUSED);
}

static void none(void **state)
{
	char path[200];

	unsetenv("NOTIFY_SOCKET");
	assert_false(manager_is_there());
	assert_int_equal(manager_tell("READY=1", NULL, 0, 0), -ENOTCONN);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_true(manager_is_there());
	assert_int_equal(manager_tell("READY=1", NULL, 0, 0), -EINVAL);
	setenv("NOTIFY_SOCKET", "@", 1);
	assert_int_equal(manager_tell("READY=1", NULL, 0, 0), -EINVAL);
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = 0;
	setenv("NOTIFY_SOCKET", path, 1);
	assert_int_equal(manager_tell("READY=1", NULL, 0, 0), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	assert_int_equal(manager_tell("READY=1", NULL, 0, 0), -ENOENT);
	unsetenv("NOTIFY_SOCKET");
}

static void too_many_descriptors(void **state)
{
	int fd = manager(), fds[FDPASS_MAX + 1] = { 0 };

	assert_int_equal(manager_tell("FDSTORE=1", fds, FDPASS_MAX + 1, 0), -EINVAL);
	assert_int_equal(manager_tell("FDSTORE=1", fds, FDPASS_MAX, 0), 0);
	close(fd);
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_does_not_read),
		cmocka_unit_test(none),
		cmocka_unit_test(too_many_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
