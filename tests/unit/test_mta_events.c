#include "cmocka_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/mta_events.h"

#define SECOND_US 1000000u

static char top[64];
static int top_fd;
static struct mta_events events;

static void kernel_says(const char *directory, unsigned kills)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, directory);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/memory.events", top, directory);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "low 0\nhigh 0\nmax 7\noom %u\noom_kill %u\n", kills, kills);
	fclose(f);
}

static double kills_at(unsigned second)
{
	struct sample sample;

	sample_clear(&sample, second * SECOND_US);
	mta_events_poll(&events, second * SECOND_US, &sample);
	return sample.value[SIGNAL_MTA_OOM_KILLS];
}

static int setup(void **state)
{
	snprintf(top, sizeof(top), "/tmp/penstock-test-XXXXXX");
	assert_non_null(mkdtemp(top));
	top_fd = open(top, O_RDONLY | O_DIRECTORY);
	mta_events_init(&events);
	return top_fd < 0;
}

static int teardown(void **state)
{
	char path[128];

	mta_events_close(&events);
	for (const char *d = "ab"; *d; d++) {
		snprintf(path, sizeof(path), "%s/%c/memory.events", top, *d);
		unlink(path);
		snprintf(path, sizeof(path), "%s/%c", top, *d);
		rmdir(path);
	}
	close(top_fd);
	return rmdir(top);
}

static void kills_of_before_the_daemon_are_none(void **state)
{
	kernel_says("a", 5);
	mta_events_open(&events, top_fd, "a", false);
	assert_true(kills_at(100) == 0);
	kernel_says("a", 6);
	assert_true(kills_at(101) == 1);
	assert_true(kills_at(160) == 1);
	assert_true(kills_at(162) == 0);
}

/* The process that led the group is the one that was killed: the group is looked up again, and
 * the kill must not be lost. */
static void a_kill_counts_though_the_group_is_looked_up_anew(void **state)
{
	kernel_says("a", 2);
	mta_events_open(&events, top_fd, "a", false);
	assert_true(kills_at(100) == 0);
	kernel_says("a", 3);
	mta_events_open(&events, top_fd, "a", false);
	assert_true(kills_at(101) == 1);
	mta_events_close(&events);
	mta_events_open(&events, top_fd, "a", false);
	assert_true(kills_at(110) == 1);
	assert_true(kills_at(170) == 0);
}

static void another_group_begins_anew(void **state)
{
	kernel_says("a", 0);
	kernel_says("b", 9);
	mta_events_open(&events, top_fd, "a", false);
	assert_true(kills_at(100) == 0);
	kernel_says("a", 1);
	assert_true(kills_at(101) == 1);
	mta_events_open(&events, top_fd, "b", false);
	assert_true(kills_at(102) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kills_of_before_the_daemon_are_none, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_kill_counts_though_the_group_is_looked_up_anew,
						setup, teardown),
		cmocka_unit_test_setup_teardown(another_group_begins_anew, setup, teardown),
	};

	return cmocka_run_group_tests_name("mta_events", tests, NULL, NULL);
}
