/* What a reload does to the triggers of early ticks. */
#include "cmocka_test.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "host/timer.h"

#define FDS 256

static void tick(void *context, bool urgent)
{
}

static bool is_of(int fd, const char *wanted)
{
	char link[64], path[128] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof(path) - 1) > 0 && strcmp(path, wanted) == 0;
}

/* The descriptor of the file, -1: it is not open. */
static int find(const char *path)
{
	for (int fd = 3; fd < FDS; fd++)
		if (is_of(fd, path))
			return fd;
	return -1;
}

/* A flag of the open file, which one that is opened again has not. */
static void mark(const char *path)
{
	assert_int_equal(fcntl(find(path), F_SETFL, O_NONBLOCK | O_APPEND), 0);
}

static bool is_marked(const char *path)
{
	return fcntl(find(path), F_GETFL) & O_APPEND;
}

static void a_reload_leaves_triggers_that_stay_as_they_are(void **state)
{
	static const char cpu[] = "/proc/pressure/cpu", io[] = "/proc/pressure/io";
	struct config *config = calloc(1, sizeof(*config));
	struct event_base *base = event_base_new();
	struct timer *t = NULL;

	config->tick_us = 100000;
	config->target[SIGNAL_CPU_STALL_RATIO] = config->target[SIGNAL_IO_STALL_RATIO] = 0.9;
	assert_int_equal(timer_open(base, config, tick, NULL, &t), 0);
	if (find(cpu) < 0 || find(io) < 0) {
		print_message("no PSI triggers here: %s\n", timer_view(t)->triggers);
		skip();
	}
	mark(cpu);
	mark(io);
	config->target[SIGNAL_IO_STALL_RATIO] = 0.8;
	timer_configure(t, config);
	assert_true(is_marked(cpu));
	assert_false(is_marked(io)); /* another one, at another ratio */
	assert_string_equal(timer_view(t)->triggers, "cpu at 90 %, io at 80 %");
	config->target[SIGNAL_IO_STALL_RATIO] = 0;
	timer_configure(t, config);
	assert_true(is_marked(cpu));
	assert_int_equal(find(io), -1);
	assert_string_equal(timer_view(t)->triggers, "cpu at 90 %");
	timer_close(t);
	event_base_free(base);
	free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reload_leaves_triggers_that_stay_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
