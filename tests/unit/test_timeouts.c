/* How long a client waits while the mail server does not answer a connect, in virtual time. */
#include "waiting_world.h"

/* After how many seconds the client is refused. */
static unsigned refused_after(bool current)
{
	for (unsigned second = 0; second <= 2 * LONGEST_S; second++) {
		enum next next = at(second, current);

		if (next == NEXT_UNANSWERED)
			return second;
		assert_int_equal(next, NEXT_STAY);
	}
	return 0;
}

static void others_wait_for_ten_seconds(void **state)
{
	begin(stranger);
	assert_int_equal(refused_after(true), 10);
	end();
}

static void trusted_clients_wait_for_five_minutes(void **state)
{
	struct config_networks *trusted = &tally.config.sources.trusted;

	begin(stranger);
	trusted->count = 1;
	trusted->network[0].address = s.addresses.source;
	trusted->network[0].bits = 120;
	assert_int_equal(refused_after(true), LONGEST_S);
	end();
	begin("::ffff:203.0.114.9"); /* of another network */
	trusted->count = 1;
	assert_int_equal(inet_pton(AF_INET6, stranger, &trusted->network[0].address), 1);
	trusted->network[0].bits = 120;
	assert_int_equal(refused_after(true), 10);
	end();
}

static void clients_of_this_host_wait_for_five_minutes(void **state)
{
	begin("::ffff:127.0.0.1");
	assert_int_equal(refused_after(true), LONGEST_S);
	end();
	begin("::1");
	assert_int_equal(refused_after(true), LONGEST_S);
	end();
	begin("::1");
	tally.config.proxy.loopback = true; /* this host is limited, too */
	assert_int_equal(refused_after(true), 10);
	end();
}

static void promised_clients_wait_for_five_minutes(void **state)
{
	begin(stranger);
	s.promised = true;
	assert_int_equal(refused_after(true), LONGEST_S);
	end();
}

static void where_no_load_refuses_all_wait_for_five_minutes(void **state)
{
	begin(stranger);
	tally.plan.plan.mode = PLAN_OBSERVE;
	assert_int_equal(refused_after(true), LONGEST_S);
	end();
	begin(stranger);
	assert_int_equal(refused_after(false), LONGEST_S);
	end();
}

/* The plan may become old, or be in force again, while the client waits. For a wait without a
 * plan no client is refused. */
static void only_the_wait_under_a_plan_counts(void **state)
{
	begin(stranger);
	assert_int_equal(left_alone_until(0, 60, false), 0);
	assert_int_equal(left_alone_until(61, 100, true), 70);
	end();
}

/* The proxy was stopped for a minute after five seconds, or its whole machine was. */
static void the_time_in_which_the_proxy_did_not_run_does_not_count(void **state)
{
	begin(stranger);
	assert_int_equal(left_alone_until(0, 5, true), 0);
	assert_int_equal(left_alone_until(65, 100, true), 75);
	end();
}

/* For the other phases, too: nothing is cut for what it could not do meanwhile. */
static void deadlines_are_later_by_the_time_in_which_the_proxy_did_not_run(void **state)
{
	begin(stranger);
	s.phase = PHASE_CLOSING;
	tally.config.proxy.idle_us = LONGEST_S * US_PER_S;
	s.deadline_us = BEGAN_US + CONNECT_US;
	assert_int_equal(left_alone_until(0, 4, true), 0);
	assert_int_equal(left_alone_until(1004, 1100, true), 1010);
	s.phase = PHASE_RELAY;
	s.deadline_us = 0;
	s.probes = true;
	s.moved_us = BEGAN_US + 1010 * US_PER_S;
	s.put_off_us = 0;
	assert_int_equal(left_alone_until(1011, 1020, true), 0);
	assert_int_equal(left_alone_until(5020, 6000, true), 5010 + LONGEST_S);
	end();
}

/* A client is put off three times by two seconds: then by more than WAIT_S. */
static void a_process_that_stops_again_and_again_puts_no_client_off_for_ever(void **state)
{
	begin(stranger);
	assert_int_equal(left_alone_on_a_starved_core(), 6 + 10);
	end();
	begin(stranger);
	s.phase = PHASE_CLOSING;
	tally.config.proxy.idle_us = LONGEST_S * US_PER_S;
	assert_int_equal(left_alone_on_a_starved_core(), 6 + 10);
	end();
	begin(stranger);
	s.phase = PHASE_RELAY;
	s.deadline_us = 0;
	s.probes = true;
	tally.config.proxy.idle_us = 100 * US_PER_S;
	assert_int_equal(left_alone_on_a_starved_core(), 6 + 100);
	end();
}

/* In the room a deadline is a quarter later than the hold: 6.25 s. */
static void nor_those_that_wait_for_a_place(void **state)
{
	struct room_terms terms = { .hold_us = WAIT_S * US_PER_S,
				    .longest_us = WAIT_S * US_PER_S,
				    .pass_milli = 1000,
				    .most = 10 };
	struct room_offer offer = { .now_us = BEGAN_US, .order = ROOM_OWED, .terms = terms };
	struct room_node *out;
	unsigned second = 0;

	begin(stranger);
	s.phase = PHASE_HELD;
	assert_int_equal(room_enter(&tally.room, &offer, &s.held, &out), ROOM_WAIT);
	for (;
	     second < LONGEST_S && !room_in_vain(&tally.room, &terms, BEGAN_US + second * US_PER_S);
	     second += 2)
		at(second, true);
	assert_int_equal(second, 6 + 6 + 2);
	end();
}

static void a_client_that_leaves_is_let_go(void **state)
{
	begin(stranger);
	s.promised = true;
	assert_int_equal(at(11, true), NEXT_STAY);
	close(client);
	client = -1;
	assert_int_equal(at(12, true), NEXT_BREAK);
	end();
}

/* On a busy machine the loop may be late, and the connection is there already. */
static void an_answer_that_has_come_is_not_late(void **state)
{
	int pair[2];

	begin(stranger);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	s.backend_fd = pair[0];
	assert_int_equal(at(11, true), NEXT_STAY);
	assert_int_equal(at(2 * LONGEST_S, true), NEXT_STAY);
	close(pair[0]);
	close(pair[1]);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_wait_for_ten_seconds),
		cmocka_unit_test(trusted_clients_wait_for_five_minutes),
		cmocka_unit_test(clients_of_this_host_wait_for_five_minutes),
		cmocka_unit_test(promised_clients_wait_for_five_minutes),
		cmocka_unit_test(where_no_load_refuses_all_wait_for_five_minutes),
		cmocka_unit_test(only_the_wait_under_a_plan_counts),
		cmocka_unit_test(the_time_in_which_the_proxy_did_not_run_does_not_count),
		cmocka_unit_test(deadlines_are_later_by_the_time_in_which_the_proxy_did_not_run),
		cmocka_unit_test(a_process_that_stops_again_and_again_puts_no_client_off_for_ever),
		cmocka_unit_test(nor_those_that_wait_for_a_place),
		cmocka_unit_test(a_client_that_leaves_is_let_go),
		cmocka_unit_test(an_answer_that_has_come_is_not_late),
	};

	return cmocka_run_group_tests_name("timeouts", tests, NULL, NULL);
}
