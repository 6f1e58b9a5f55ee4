/* What the recorder does when the disk is slow, full or not there. */
#include "trace_world.h"

#include "store/recorder_ring.h"

static void the_ring_gives_back_what_was_put_and_takes_no_more_than_fits(void **state)
{
	uint8_t room[256], bytes[100], got[100];
	struct recorder_ring ring = { .bytes = room, .size = sizeof(room) };
	unsigned put = 0, taken = 0;

	assert_int_equal(ring_take(&ring, got, sizeof(got)), 0);
	for (unsigned i = 0; i < 10000; i++) {
		memset(bytes, (int)put, sizeof(bytes));
		if (ring_put(&ring, bytes, put % 97 + 1))
			put++;
		else
			assert_true(put > taken);
		if (i % 3 == 0)
			continue;
		uint32_t length = ring_take(&ring, got, sizeof(got));

		if (!length)
			continue;
		assert_int_equal(length, taken % 97 + 1);
		assert_int_equal(got[0], (uint8_t)taken);
		assert_int_equal(got[length - 1], (uint8_t)taken);
		taken++;
	}
	assert_in_range(taken, 1000, 10000);
}

static void what_the_disk_does_not_take_is_counted_and_the_trace_goes_on_from_there(void **state)
{
	static struct world w;
	struct recorder_stats stats;
	struct recorder *r;
	struct outcome o;
	unsigned ticks = 0;

	world_init(&w);
	r = open_recorder(&w, "/nowhere/trace", 1 << 30, 0);
	do { /* until it has found out */
		step(&w, r);
		recorder_stats(r, &stats);
	} while (stats.running && ++ticks < 1000000);
	assert_int_equal(stats.error, ENOENT);
	for (unsigned i = 0; i < 1000; i++) /* and a step still works */
		step(&w, r);
	recorder_close(r, 60000000);
	/* A ring of some ten ticks, and a thread that looks five times a second: it is full, and
	 * then there is room again. */
	r = open_recorder(&w, path, UINT64_C(1) << 40, 128 << 10);
	for (ticks = 0, stats.ticks_lost = 0; ticks < 100000 && stats.ticks_lost < 100; ticks++) {
		step(&w, r);
		recorder_stats(r, &stats);
	}
	assert_true(stats.ticks_lost >= 100);
	for (uint64_t lost = 0; lost != stats.ticks_lost;) {
		lost = stats.ticks_lost;
		usleep(1000);
		for (unsigned i = 0; i < 20; i++)
			step(&w, r);
		recorder_stats(r, &stats);
	}
	recorder_close(r, 60000000);
	o = replay_file(path);
	assert_true(o.lost >= 1);
	assert_int_equal(o.differs + o.gaps, 0);
	/* the state was written again behind what is missing */
	assert_int_equal(o.compared, o.ticks);
	assert_true(o.unranked); /* and the table of sources was not */
	free(w.table);
}

static void a_full_file_ends_whole_and_within_its_bound(void **state)
{
	static struct world w;
	struct recorder_stats stats;
	struct recorder *r;
	struct outcome o;
	struct stat st;

	world_init(&w);
	r = open_recorder(&w, path, 1 << 20, 0);
	do {
		step(&w, r);
		recorder_stats(r, &stats);
	} while (stats.running);
	recorder_close(r, 60000000);
	assert_int_equal(stats.error, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 1 << 19, 1 << 20);
	o = replay_file(path);
	assert_int_equal(o.ends, 1);
	assert_int_equal(o.gaps + o.differs, 0);
	free(w.table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ring_gives_back_what_was_put_and_takes_no_more_than_fits),
		TEST(what_the_disk_does_not_take_is_counted_and_the_trace_goes_on_from_there),
		TEST(a_full_file_ends_whole_and_within_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
