/* Who waits, since when, and what was promised. */
#include <math.h>

#include "source_world.h"

static void only_proper_retries_gain(void **state)
{
	struct world w;
	uint16_t first, second;

	begin(&w);
	step(&w, SECOND);
	assert_int_equal(view_of(&w, 0xc0000207).source.band, PLAN_BAND_NEW);
	note(&w, 0xc0000207, false);
	assert_true(view_of(&w, 0xc0000207).deferred);
	assert_int_equal(view_of(&w, 0xc0000207).attempts, 1);
	first = view_of(&w, 0xc0000207).source.rank;
	for (int i = 0; i < 100; i++) { /* impatience */
		step(&w, SECOND);
		note(&w, 0xc0000207, false);
	}
	assert_int_equal(view_of(&w, 0xc0000207).attempts, 1);
	assert_int_equal(view_of(&w, 0xc0000207).source.rank, first);
	pass(&w, 30);
	second = view_of(&w, 0xc0000207).source.rank;
	assert_true(second > first);
	note(&w, 0xc00002f0, false); /* a neighbour in the /24: the same sender */
	assert_int_equal(view_of(&w, 0xc0000207).attempts, 2);
	assert_int_equal(view_of(&w, 0xc0000207).gap_s, 128);
	note(&w, 0xc0000207, true);
	assert_false(view_of(&w, 0xc0000207).deferred);
	assert_true(view_of(&w, 0xc0000207).proven);
	assert_true(view_of(&w, 0xc0000207).regular);
	assert_false(view_of(&w, 0xc0000307).known);
	end(&w);
}

static void the_third_attempt_is_promised(void **state)
{
	struct world w;

	begin(&w);
	step(&w, SECOND);
	note(&w, 0xc0000207, false);
	pass(&w, 300);
	assert_int_not_equal(view_of(&w, 0xc0000207).source.band, PLAN_BAND_PROMISED);
	note(&w, 0xc0000207, false);
	pass(&w, 1800);
	assert_int_equal(view_of(&w, 0xc0000207).source.band, PLAN_BAND_PROMISED);
	end(&w);
}

/* Before two hours, counting that its next attempt would come too late; and no source has to retry
 * quickly for it. */
static void two_hours_are_promised(void **state)
{
	struct world w;

	begin(&w);
	w.config.longest_attempts = 100;
	source_configure(w.table, &w.config);
	step(&w, SECOND);
	note(&w, 0xc0000207, false);
	pass(&w, 3000);
	note(&w, 0xc0000207, false); /* gap 3000 s */
	assert_int_not_equal(view_of(&w, 0xc0000207).source.band, PLAN_BAND_PROMISED);
	pass(&w, 3000);
	/* at 6000 s; the next would be at 9000 */
	assert_int_equal(view_of(&w, 0xc0000207).source.band, PLAN_BAND_PROMISED);
	end(&w);
}

static void who_was_refused_late_is_owed_an_admission(void **state)
{
	struct world w;
	struct source_event late = event_of(0xc0000207, SOURCE_LATE);

	begin(&w);
	step(&w, SECOND);
	note(&w, 0xc0000207, true);
	sources_note(w.table, &late, 1, w.now_us);
	assert_true(view_of(&w, 0xc0000207).deferred);
	pass(&w, 121);
	assert_int_equal(view_of(&w, 0xc0000207).source.band, PLAN_BAND_PROMISED);
	end(&w);
}

/* What a table without any sender of its own believes of those that come back each 300 s. */
static uint32_t patience_by(const struct source_learned *learned)
{
	struct world w;
	uint32_t patience_s;

	begin(&w);
	source_restore(w.table, learned);
	step(&w, SECOND);
	note(&w, 0x0c000000, false);
	pass(&w, 300);
	note(&w, 0x0c000000, false);
	patience_s = view_of(&w, 0x0c000000).patience_s;
	end(&w);
	return patience_s;
}

static void who_gives_up_is_forgotten_and_teaches_patience(void **state)
{
	struct source_learned learned;
	struct world w;

	begin(&w);
	step(&w, SECOND);
	for (int k = 0; k < 8; k++) { /* attempts every 300 s, the last one after 35 min */
		for (uint32_t i = 0; i < 200; i++)
			note(&w, 0x0a000000 + i * 256, false);
		pass(&w, 300);
	}
	assert_int_equal(view_of(&w, 0x0a000000).patience_s, 0);
	pass(&w, 9000);
	note(&w, 0x0b000000, false);
	pass(&w, 300);
	note(&w, 0x0b000000, false);
	/* one like those gives up at 35 min; the bound below that is what is believed */
	assert_in_range(view_of(&w, 0x0b000000).patience_s, 1200, 2100);
	assert_false(view_of(&w, 0x0a000000).deferred);
	pass(&w, 1200);
	assert_true(view_of(&w, 0x0b000000).source.rank > 0);
	source_save(w.table, &learned);
	assert_int_equal(patience_by(&learned), view_of(&w, 0x0b000000).patience_s);
	for (unsigned i = 0; i < SOURCE_GAPS * SOURCE_AGES; i++)
		learned.gone[i / SOURCE_AGES][i % SOURCE_AGES] =
			(const float[]){ NAN, -1, INFINITY, 1e9f }[i % 4];
	assert_int_equal(patience_by(&learned), 0); /* no sense: not taken */
	end(&w);
}

/* ---- cut-offs ------------------------------------------------------------------------------- */

static void a_promise_that_cannot_be_kept_is_an_alarm(void **state)
{
	struct world w;
	struct source_stats s;

	begin(&w);
	step(&w, SECOND);
	for (uint32_t k = 0; k < 20; k++)
		note(&w, 0x0a000000 + k * 256, false);
	pass(&w, 200);
	for (uint32_t k = 0; k < 20; k++)
		note(&w, 0x0a000000 + k * 256, false);
	source_stats(w.table, &s);
	assert_false(s.infeasible);
	assert_int_equal(s.deferred, 20);
	assert_in_range(s.oldest_s, 198, 202);
	pass(&w, 200);
	for (uint32_t k = 0; k < 20; k++)
		note(&w, 0x0a000000 + k * 256, false); /* the third */
	source_stats(w.table, &s);
	assert_true(s.infeasible);
	assert_int_equal(s.broken, 20);
	for (int i = 0; i < 300; i++) {
		pass(&w, 1);
		note(&w, 0x20000000 + (uint32_t)i * 256, true);
	}
	source_stats(w.table, &s);
	assert_false(s.infeasible);
	end(&w);
}

static void a_day_of_waiting_is_an_alarm(void **state)
{
	struct world w;
	struct source_stats s;

	begin(&w);
	step(&w, SECOND);
	for (int i = 0; i < 49; i++) {
		note(&w, 0xc0000207, false);
		pass(&w, 1800);
	}
	source_stats(w.table, &s);
	assert_true(s.day);
	note(&w, 0xc0000207, true);
	pass(&w, 200);
	source_stats(w.table, &s);
	assert_false(s.day);
	assert_int_equal(s.deferred, 0);
	assert_int_equal(s.age_count, 1);
	end(&w);
}

/* What explain says is what happens. */
static void the_time_foretold_comes_true(void **state)
{
	struct world w;
	struct source_event e = event_of(0xc0000207, SOURCE_ATTEMPT);
	uint32_t in_s;

	begin(&w);
	step(&w, SECOND);
	w.plan.service[0].cutoff[0] = w.plan.service[0].cutoff[1] = UINT32_C(640) << 22;
	w.plan.service[0].reserve_256 = 128; /* places are short */
	w.in_flight = 60;
	assert_false(ask(&w, 0xc0000207).admit);
	in_s = source_admitted_in_s(w.table, e.address, &w.plan, 0, w.now_us);
	assert_in_range(in_s, 120, 7200);
	w.now_us += (uint64_t)in_s / 2 * SECOND;
	assert_false(ask(&w, 0xc0000207).admit && in_s > 240);
	w.now_us += (uint64_t)(in_s - in_s / 2) * SECOND;
	assert_true(ask(&w, 0xc0000207).admit);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_proper_retries_gain),
		cmocka_unit_test(the_third_attempt_is_promised),
		cmocka_unit_test(two_hours_are_promised),
		cmocka_unit_test(who_was_refused_late_is_owed_an_admission),
		cmocka_unit_test(who_gives_up_is_forgotten_and_teaches_patience),
		cmocka_unit_test(a_promise_that_cannot_be_kept_is_an_alarm),
		cmocka_unit_test(a_day_of_waiting_is_an_alarm),
		cmocka_unit_test(the_time_foretold_comes_true),
	};

	return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
