#include "cmocka_test.h"

#include "kernel/syn_judge.h"

static struct gate_syns syns[GATE_SYNS];
static struct syn_judge judge;
static struct syn_judgement said;
static uint64_t now_us, handshake_us;
static double due_honest, due_forged;
static uint32_t share;

static int setup(void **state)
{
	memset(syns, 0, sizeof(syns));
	memset(&judge, 0, sizeof(judge));
	now_us = 1000000000;
	handshake_us = 0;
	due_honest = due_forged = 0;
	share = 3;
	return 0;
}

static uint32_t open_tickets(void)
{
	uint32_t turn = (uint32_t)(now_us * 1000 >> GATE_SYNS_SHIFT), open = 0;

	/* As the gate does: a ticket lives for a second. */
	for (uint32_t at = turn - 30; (int32_t)(turn - at) >= 0; at++) {
		const struct gate_syns *s = &syns[at & (GATE_SYNS - 1)];

		open += s->turn == at ? s->made - s->used : 0;
	}
	return open;
}

/* So many SYNs a second: honest ones are sessions after 20 ms, forged ones never. */
static void live(double seconds, double honest, double forged)
{
	for (uint64_t end = now_us + (uint64_t)(seconds * 1e6); now_us < end; now_us += 10000) {
		uint32_t turn = (uint32_t)(now_us * 1000 >> GATE_SYNS_SHIFT);
		struct gate_syns *s = &syns[turn & (GATE_SYNS - 1)];

		if (s->turn != turn)
			*s = (struct gate_syns){ .turn = turn };
		for (due_honest += honest / 100; due_honest >= 1; due_honest--) {
			s->made++;
			s->used++;
			handshake_us += 20000;
		}
		for (due_forged += forged / 100; due_forged >= 1; due_forged--)
			s->made++;
		if (now_us % 100000)
			continue;
		said = syn_judge_step(&judge, &(struct syn_reading){ .now_us = now_us,
								     .syns = syns,
								     .handshake_us = handshake_us,
								     .patience_us = 250000,
								     .pending = open_tickets(),
								     .share = share });
	}
}

static void while_syns_become_sessions_all_tickets_count(void **state)
{
	live(30, 100, 1);
	assert_false(judge.flood);
	assert_int_equal(said.most, PLAN_UNLIMITED);
	/* Twice the 20 ms of the honest, and the share: more than that may be a flood. */
	assert_in_range(said.usual, 6, 3 + 4 + 1);
}

/* Whatever the mixture, and soon. */
static void forged_syns_take_a_share_and_no_more(void **state)
{
	static const double mixture[][2] = { { 40, 120 }, { 20, 1000 }, { 100, 100 },
					     { 0, 50 },	  { 100, 10 },	{ 5, 50 } };

	for (unsigned i = 0; i < sizeof(mixture) / sizeof(*mixture); i++) {
		setup(NULL);
		live(30, mixture[i][0], 0);
		assert_int_equal(said.most, PLAN_UNLIMITED);
		live(mixture[i][1] > 40 ? .8 : 3, mixture[i][0], mixture[i][1]);
		assert_true(judge.flood);
		/* Twice the 20 ms of the honest, and the share. */
		assert_in_range(said.most, 3, 3 + (uint32_t)(2 * .02 * mixture[i][0]) + 1);
	}
}

/* Too few to be called a flood: they count for no longer than a handshake may take, beyond the
 * share. */
static void a_few_that_vanish_hold_little(void **state)
{
	live(30, 100, 4);
	assert_false(judge.flood);
	assert_in_range(said.likely, 0, 3 + 2);
	assert_in_range(open_tickets(), 3, 5);
}

static void a_burst_of_honest_clients_counts_in_full(void **state)
{
	struct gate_syns *s;

	live(30, 20, 0);
	s = &syns[(uint32_t)(now_us * 1000 >> GATE_SYNS_SHIFT) & (GATE_SYNS - 1)];
	*s = (struct gate_syns){ .turn = (uint32_t)(now_us * 1000 >> GATE_SYNS_SHIFT),
				 .made = 200 };
	live(.02, 0, 0);
	assert_int_equal(said.likely, 200);
	assert_int_equal(said.most, PLAN_UNLIMITED);
}

static void a_flood_is_forgotten_some_time_after_its_end(void **state)
{
	live(10, 20, 1000);
	assert_true(judge.flood);
	live(120, 20, 0);
	assert_false(judge.flood);
	assert_int_equal(said.most, PLAN_UNLIMITED);
}

static void without_a_window_nothing_is_bounded(void **state)
{
	share = PLAN_UNLIMITED;
	live(5, 20, 1000);
	assert_int_equal(said.most, PLAN_UNLIMITED);
	assert_int_equal(said.usual, PLAN_UNLIMITED);
}

static void a_daemon_that_was_away_begins_anew(void **state)
{
	live(5, 20, 0);
	memset(&judge, 0, sizeof(judge));
	live(.2, 20, 0);
	assert_false(judge.flood);
	now_us += 3600ull * 1000000; /* and one that slept reads no old slot as new */
	live(5, 20, 0);
	assert_false(judge.flood);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(while_syns_become_sessions_all_tickets_count, setup),
		cmocka_unit_test_setup(forged_syns_take_a_share_and_no_more, setup),
		cmocka_unit_test_setup(a_few_that_vanish_hold_little, setup),
		cmocka_unit_test_setup(a_burst_of_honest_clients_counts_in_full, setup),
		cmocka_unit_test_setup(a_flood_is_forgotten_some_time_after_its_end, setup),
		cmocka_unit_test_setup(without_a_window_nothing_is_bounded, setup),
		cmocka_unit_test_setup(a_daemon_that_was_away_begins_anew, setup),
	};

	return cmocka_run_group_tests_name("syn_judge", tests, NULL, NULL);
}
