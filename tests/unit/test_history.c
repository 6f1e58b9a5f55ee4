/* The history: rings, and the file that survives. What is told of it: test_history_tell.c. */
#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/array.h"
#include "base/log.h"
#include "store/history.h"
#include "store/history_format.h"
#include "unit/history_world.h"

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/penstock-history-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "history", "history.corrupt" };
	char path[128];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static void put(struct history *h, uint64_t from_s, uint64_t to_s, uint32_t offered,
		uint32_t deferred)
{
	for (uint64_t at_s = from_s; at_s < to_s; at_s++) {
		struct history_record r = second(at_s, offered, deferred);

		history_put(h, &r);
		/* The thread takes the queue each two seconds of real time; here an hour passes in
		 * an instant. */
		if (at_s % 100 == 99)
			history_flush(h);
	}
}

static size_t get(uint64_t now_s, uint64_t since_s, uint64_t until_s, struct history_record **ret)
{
	size_t count = 0;

	assert_int_equal(history_read(dir, now_s, since_s, until_s, ret, &count), 0);
	return count;
}

static void seconds_tens_and_minutes_come_back(void **state)
{
	struct history *h;
	struct history_record *r;

	assert_int_equal(history_open(dir, &h), 0);
	put(h, NOON, NOON + 7200, 20, 5);
	history_close(h);
	assert_int_equal(get(NOON + 7200, NOON + 7000, NOON + 7200, &r), 200);
	assert_int_equal(r[0].at_s, NOON + 7000);
	assert_int_equal(r[199].deferred, 5);
	free(r);
	assert_int_equal(get(NOON + 7200, NOON, NOON + 7200, &r), 720);
	assert_int_equal(r[0].period_s, 10);
	assert_int_equal(r[0].offered, 200);
	assert_int_equal(r[719].by_reason[REASON_DISK], 50);
	free(r);
	assert_int_equal(get(NOON + 7200, NOON - 2 * 86400, NOON + 7200, &r), 120);
	assert_int_equal(r[119].offered, 1200);
	assert_int_equal(r[119].seconds, 60);
	free(r);
}

static void the_file_has_one_size_for_ever(void **state)
{
	struct history *h;
	struct stat st;
	char path[128];

	snprintf(path, sizeof(path), "%s/history", dir);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(history_open(dir, &h), 0);
		put(h, NOON + round * 5000, NOON + round * 5000 + 5000, 20, 0);
		history_close(h);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, HISTORY_BYTES);
	}
}

/* The memory of an earlier process is there, and a minute that was cut in two is whole. */
static void it_outlives_a_restart(void **state)
{
	struct history *h;
	struct history_record *r, few[400];

	assert_int_equal(history_open(dir, &h), 0);
	put(h, NOON, NOON + 95, 20, 0);
	history_close(h);
	assert_int_equal(history_open(dir, &h), 0);
	assert_non_null(history_get(h, HISTORY_SECONDS, NOON + 94));
	put(h, NOON + 95, NOON + 120, 20, 0);
	assert_int_equal(history_range(h, NOON, NOON + 120, 60, few, 400), 2);
	assert_int_equal(few[1].offered, 1200);
	history_close(h);
	assert_int_equal(get(NOON + 120, NOON - 2 * 86400, NOON + 120, &r), 2);
	assert_int_equal(r[1].offered, 1200);
	free(r);
}

/* The ring of seconds reaches back from now, not from the end of the question. */
static void a_short_while_hours_ago_is_there(void **state)
{
	struct history_record few[400];
	struct history *h;

	assert_int_equal(history_open(dir, &h), 0);
	put(h, NOON, NOON + 3 * HISTORY_HOUR, 20, 0);
	assert_int_equal(history_range(h, NOON, NOON + 60, 1, few, 400), 6);
	assert_int_equal(few[0].offered, 200);
	history_close(h);
}

/* A process that was killed in the middle of its writing. */
static void it_outlives_kill_9(void **state)
{
	struct history_record *r;
	struct history *h;
	int status, ready[2];
	size_t count;
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		assert_int_equal(history_open(dir, &h), 0);
		put(h, NOON, NOON + 1000, 20, 5);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			put(h, NOON, NOON + 1000, 20, 5);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(ready[0]);
	close(ready[1]);
	count = get(NOON + 1000, NOON, NOON + 1000, &r);
	assert_in_range(count, 1, 1000);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(r[i].offered, 20);
	free(r);
	assert_int_equal(history_open(dir, &h), 0);
	history_close(h);
}

static void scribble(off_t at, const void *bytes, size_t size)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/history", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, bytes, size, at), size);
	close(fd);
}

static void a_damaged_slot_costs_itself(void **state)
{
	struct history *h;
	struct history_record *r;

	assert_int_equal(history_open(dir, &h), 0);
	put(h, NOON, NOON + 100, 20, 0);
	history_close(h);
	scribble((off_t)history_offset(HISTORY_SECONDS, history_slot(HISTORY_SECONDS, NOON + 50)) +
			 40,
		 "rubbish", 7);
	assert_int_equal(get(NOON + 100, NOON, NOON + 100, &r), 99);
	free(r);
}

static void a_newer_version_is_set_aside(void **state)
{
	struct frame_kind newer = { "HIST", HISTORY_VERSION + 1 };
	struct frame_head head;
	struct history_record *r;
	struct history *h;
	char path[128];
	size_t count;

	assert_int_equal(history_open(dir, &h), 0);
	put(h, NOON, NOON + 100, 20, 0);
	history_close(h);
	frame_head(&head, &newer, 0, NULL, HISTORY_BYTES);
	scribble(0, &head, sizeof(head));
	assert_int_equal(history_read(dir, NOON + 100, NOON, NOON + 100, &r, &count),
			 -EPROTONOSUPPORT);
	assert_int_equal(history_open(dir, &h), 0);
	put(h, NOON, NOON + 10, 20, 0);
	history_close(h);
	snprintf(path, sizeof(path), "%s/history.corrupt", dir);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(get(NOON + 100, NOON, NOON + 100, &r), 10);
	free(r);
}

/* Writes the file as version 2 had it: a record ended with four unused bytes in place of the
 * figures of the waiting room. */
static void make_second_version(const struct history_record *records, size_t count)
{
	const struct frame_kind second_kind = { "HIST", 2 };
	const size_t size = 472, used = 468, length = HISTORY_SLOTS * size;
	struct frame_head head;
	uint8_t slot[472];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/history", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(sizeof(head) + length)), 0);
	close(fd);
	frame_head(&head, &second_kind, 0, NULL, length);
	scribble(0, &head, sizeof(head));
	for (size_t i = 0; i < count; i++) {
		uint64_t sum;

		memset(slot, 0, size);
		memcpy(slot, &records[i], used);
		sum = XXH3_64bits(slot + sizeof(sum), size - sizeof(sum));
		memcpy(slot, &sum, sizeof(sum));
		scribble((off_t)(sizeof(head) +
				 history_slot(HISTORY_SECONDS, records[i].at_s) * size),
			 slot, size);
	}
}

static void the_version_before_is_taken_over(void **state)
{
	/* 3,599 and 0: the last slot of a ring, and the first */
	const struct history_record before[] = { second(NOON - 1, 20, 5), second(NOON, 30, 0) };
	struct history_record *r;
	struct history *h;
	struct stat st;
	char path[128];

	make_second_version(before, 2);
	/* penstockctl may read it before the new penstockd has run. */
	assert_int_equal(get(NOON + 1, NOON - 10, NOON + 1, &r), 2);
	assert_int_equal(r[0].by_reason[REASON_DISK], 5);
	assert_int_equal(r[1].offered, 30);
	free(r);
	assert_int_equal(history_open(dir, &h), 0);
	assert_non_null(history_get(h, HISTORY_SECONDS, NOON - 1));
	put(h, NOON + 1, NOON + 11, 20, 0);
	history_close(h);
	snprintf(path, sizeof(path), "%s/history", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, HISTORY_BYTES);
	snprintf(path, sizeof(path), "%s/history.corrupt", dir);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(get(NOON + 11, NOON - 10, NOON + 11, &r), 12);
	assert_int_equal(r[0].deferred, 5);
	assert_string_equal(r[0].unit, "backup.service");
	assert_near(distinct_count(&r[0].sources), 4, 0.5);
	assert_near(r[0].held, -1, 0); /* it was not known */
	assert_int_equal(history_waits(&r[0]), 0);
	assert_int_equal(r[11].offered, 20);
	free(r);
}

static void waits_are_added_up(void **state)
{
	struct history_record sum = { .seconds = 0 }, a = second(NOON, 20, 0), b = a, c = a;

	a.held = -1;
	b.held = 12;
	b.held_admitted = 3;
	b.held_left = 1;
	b.held_s = 8;
	c.held = 7;
	c.held_admitted = UINT32_MAX;
	c.held_in_vain = 2;
	c.held_s = 0.5f;
	history_fold(&sum, &a);
	assert_near(sum.held, -1, 0);
	history_fold(&sum, &b);
	assert_near(sum.held, 12, 0);
	assert_int_equal(history_waits(&sum), 4);
	history_fold(&sum, &c);
	assert_near(sum.held, 12, 0); /* the most at once */
	assert_near(sum.held_s, 8.5, 0);
	assert_int_equal(sum.held_admitted, UINT32_MAX);
	assert_int_equal(sum.held_in_vain, 2);
	assert_int_equal(sum.held_left, 1);
	assert_true(history_waits(&sum) == UINT64_C(3) + UINT32_MAX);
}

/* No byte can be written: the rings in memory go on, and so does the file when it can. */
static void a_full_disk_costs_the_file_alone(void **state)
{
	struct rlimit before, none;
	struct history_record *r;
	struct history *h;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(history_open(dir, &h), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	put(h, NOON, NOON + 100, 20, 0);
	history_flush(h);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_non_null(history_get(h, HISTORY_SECONDS, NOON + 99));
	put(h, NOON + 100, NOON + 200, 20, 0);
	history_close(h);
	assert_int_equal(get(NOON + 200, NOON + 100, NOON + 200, &r), 100);
	free(r);
}

/* Few are told exactly, many within a tenth or so, joined or not; a million is no end. */
static void distinct_ones_are_counted(void **state)
{
	static const unsigned many[] = { 1, 7, 100, 500, 5000, 100000, 1000000 };

	assert_true(distinct_count(&(struct distinct){ { 0 } }) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		struct distinct a = { { 0 } }, b = { { 0 } };
		double count;

		for (unsigned n = 0; n < many[i]; n++) {
			distinct_add(n % 2 ? &a : &b, n);
			distinct_add(&a, n);
		}
		distinct_join(&a, &b);
		count = distinct_count(&a);
		if (many[i] < 10)
			assert_true(count > many[i] - 0.5 && count < many[i] + 0.5);
		else
			assert_true(count > 0.8 * many[i] && count < 1.2 * many[i]);
	}
}

/* A late refusal counts as admitted and as deferred, and is one connection. */
static void a_late_refusal_is_one_connection(void **state)
{
	assert_int_equal(history_connections(100, 100, 100, 100), 100);
	assert_int_equal(history_connections(100, 100, 40, 40), 100);
	assert_int_equal(history_connections(100, 60, 40, 0), 100);
	assert_int_equal(history_connections(0, 60, 70, 50), 80);
	/* `late` is of all services, and may be more than this one has. */
	assert_int_equal(history_connections(0, 5, 70, 50), 70);
	assert_int_equal(history_connections(0, 70, 5, 50), 70);
	assert_int_equal(history_connections(0, UINT32_MAX, UINT32_MAX, 0), 2ULL * UINT32_MAX);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(seconds_tens_and_minutes_come_back),
		CASE(the_file_has_one_size_for_ever),
		CASE(it_outlives_a_restart),
		CASE(a_short_while_hours_ago_is_there),
		CASE(it_outlives_kill_9),
		CASE(a_damaged_slot_costs_itself),
		CASE(a_newer_version_is_set_aside),
		CASE(the_version_before_is_taken_over),
		cmocka_unit_test(waits_are_added_up),
		CASE(a_full_disk_costs_the_file_alone),
		cmocka_unit_test(distinct_ones_are_counted),
		cmocka_unit_test(a_late_refusal_is_one_connection),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
