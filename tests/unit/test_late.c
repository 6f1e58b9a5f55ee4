/* When a client is refused late, because the mail server does not greet it, in virtual time. */
#include "waiting_world.h"

#define LATE_S 5 /* what the plan allows for a greeting */
#define HANGS_S ((int)UNGREETED_S)
#define SILENT_S 120

/* So many greetings, all quick, show what is usual. */
static void learn_greetings(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		greeting_times_add(&tally.greeting_times, 10000);
}

/* A client that was admitted, and waits for the server's greeting. */
static void begin_ungreeted(const char *source)
{
	static struct counts counts;

	begin(source);
	tally.counts.counts = &counts;
	tally.config.proxy.idle_us = 4 * LONGEST_S * US_PER_S;
	tally.plan.plan.service[0].greeting_timeout_us = LATE_S * US_PER_S;
	s.phase = PHASE_RELAY;
	s.deadline_us = 0;
	s.ungreeted = true;
	learn_greetings(100);
}

/* Another one that came at the same time; the one before was told. */
static void begin_another(const char *source)
{
	s.refusal = REASON_NONE;
	s.ungreeted = true;
	s.moved_us = s.track.began_us = BEGAN_US;
	assert_int_equal(inet_pton(AF_INET6, source, &s.addresses.source), 1);
}

/* The server says something to a client that has been greeted. */
static void server_speaks(unsigned second)
{
	tally.heard_us = BEGAN_US + second * US_PER_S;
}

/* Up to which second it does so, each second. */
static unsigned speaks_until = 2 * LONGEST_S;

/* From which second on told_late_after() looks. */
static unsigned looks_from;

/* After how many seconds it is refused late; 0: never. `short_of_places`: others are refused all
 * the while. */
static unsigned told_late_after(bool short_of_places)
{
	for (unsigned second = 0; second <= 2 * LONGEST_S; second++) {
		unsigned now = looks_from + second;
		enum next next;

		if (second <= speaks_until)
			server_speaks(now);
		tally.full_us = short_of_places ? BEGAN_US + now * US_PER_S : 0;
		next = at(now, true);
		if (next == NEXT_REFUSE) {
			assert_int_equal(s.refusal, REASON_LATE);
			return second;
		}
		assert_int_equal(next, NEXT_STAY);
	}
	return 0;
}

static void a_client_is_told_late_only_while_places_are_short(void **state)
{
	begin_ungreeted(stranger);
	assert_int_equal(told_late_after(true), LATE_S);
	end();
	begin_ungreeted(stranger);
	assert_int_equal(told_late_after(false), 0);
	end();
	begin_ungreeted(stranger);
	tally.plan.plan.mode = PLAN_OBSERVE;
	assert_int_equal(told_late_after(true), 0);
	end();
}

/* A client that came in the last two seconds of a plan, or without one: penstockd hung or was away
 * for a minute. It has as long as any other from the next plan on, however much the server has to
 * do by then. */
static void the_time_without_a_plan_is_not_held_against_a_client(void **state)
{
	begin_ungreeted(stranger);
	tally.full_us = BEGAN_US + 2 * LONGEST_S * US_PER_S; /* places are short all the while */
	assert_int_equal(left_alone_until(0, 60, false), 0);
	assert_int_equal(left_alone_until(61, 100, true), 60 + LATE_S);
	assert_int_equal(s.refusal, REASON_LATE);
	end();
	begin_ungreeted(stranger);
	tally.greetings.waiting = 8; /* the server seems to hang */
	assert_int_equal(left_alone_until(0, 60, false), 0);
	assert_int_equal(left_alone_until(61, 200, true), 60 + HANGS_S);
	end();
}

static void nor_is_the_time_before_a_plan_limits(void **state)
{
	struct plan *plan = &tally.plan.plan;

	for (int kind = 0; kind < 3; kind++) {
		begin_ungreeted(stranger);
		tally.full_us = BEGAN_US + 2 * LONGEST_S * US_PER_S;
		plan->mode = kind == 0 ? PLAN_OBSERVE : PLAN_ENFORCE;
		plan->order = kind == 1 ? PLAN_BLIND : PLAN_SERVE;
		plan->services = kind == 2 ? 0 : 1;
		assert_int_equal(left_alone_until(0, 60, true), 0);
		plan->mode = PLAN_ENFORCE;
		plan->order = PLAN_SERVE;
		plan->services = 1;
		assert_int_equal(left_alone_until(61, 100, true), 60 + LATE_S);
		end();
	}
}

/* The proxy was stopped for twenty seconds, or its machine was. */
static void nor_is_the_time_in_which_the_proxy_did_not_run(void **state)
{
	begin_ungreeted(stranger);
	tally.full_us = BEGAN_US + 2 * LONGEST_S * US_PER_S;
	assert_int_equal(left_alone_until(0, LATE_S - 1, true), 0);
	assert_int_equal(left_alone_until(24, 100, true), 24 + LATE_S);
	end();
	/* The silence of a server that was stopped with it is none. */
	begin_ungreeted(stranger);
	tally.greetings.waiting = 1;
	assert_int_equal(left_alone_until(0, SILENT_S - 1, true), 0);
	assert_int_equal(left_alone_until(1000, 1200, true), 1000 + SILENT_S);
	end();
}

static void a_starved_proxy_tells_its_clients_late_all_the_same(void **state)
{
	begin_ungreeted(stranger);
	assert_int_equal(left_alone_on_a_starved_core(), 6 + LATE_S + 1);
	assert_int_equal(s.refusal, REASON_LATE);
	end();
}

/* A proxy that has just begun, or followed another one, does not know which clients usually wait
 * for a name server. It refuses none of them late for load, and those of a server that hangs after
 * half a minute. */
static void a_proxy_that_knows_no_greetings_tells_none_late_for_load(void **state)
{
	static const unsigned known[] = { 0, 1, 17, 60 };

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		begin_ungreeted(stranger);
		memset(&tally.greeting_times, 0, sizeof(tally.greeting_times));
		learn_greetings(known[i]);
		assert_int_equal(told_late_after(true), 0);
		tally.greetings.waiting = 8;
		assert_int_equal(told_late_after(true), HANGS_S);
		end();
	}
}

/* The third attempt gets in: late refusal must not break the promise. */
static void a_promised_client_is_never_told_late(void **state)
{
	begin_ungreeted(stranger);
	s.promised = true;
	assert_int_equal(told_late_after(true), 0);
	end();
}

static void trusted_clients_and_those_of_this_host_are_never_told_late(void **state)
{
	struct config_networks *trusted = &tally.config.sources.trusted;

	begin_ungreeted(stranger);
	trusted->count = 1;
	trusted->network[0].address = s.addresses.source;
	trusted->network[0].bits = 120;
	assert_int_equal(told_late_after(true), 0);
	end();
	begin_ungreeted("::1");
	assert_int_equal(told_late_after(true), 0);
	end();
	begin_ungreeted("::1");
	tally.config.proxy.loopback = true;
	assert_int_equal(told_late_after(true), LATE_S);
	end();
}

static void no_source_is_told_late_twice(void **state)
{
	begin_ungreeted(stranger);
	assert_int_equal(told_late_after(true), LATE_S);
	s.refusal = REASON_NONE; /* it comes back */
	s.track.began_us += (LATE_S + 1) * US_PER_S;
	assert_int_equal(told_late_after(true), 0);
	/* A day later this may be another overload, and it would wait for minutes in vain. */
	looks_from = (unsigned)DEBT_LASTS_S + LATE_S;
	s.track.began_us = BEGAN_US + looks_from * US_PER_S;
	assert_int_equal(told_late_after(true), LATE_S);
	looks_from = 0;
	end();
}

/* Others get their greetings, so this client waits for its own name server: in an overload, too,
 * and however long it waits. */
static void a_client_that_others_have_overtaken_is_never_told_late(void **state)
{
	begin_ungreeted(stranger);
	s.overtaken = true;
	tally.greetings.waiting = 100;
	assert_int_equal(told_late_after(true), 0);
	end();
	begin_ungreeted(stranger);
	s.overtaken = true;
	tally.greetings.waiting = 100;
	assert_int_equal(told_late_after(false), 0);
	end();
}

/* One client in ten usually waits 3 s longer than the others. So each may wait 3 s longer than the
 * plan says. */
static void a_client_may_wait_as_long_as_some_usually_do(void **state)
{
	begin_ungreeted(stranger);
	for (int i = 0; i < 100; i++)
		greeting_times_add(&tally.greeting_times, i % 10 ? 10000 : 3 * US_PER_S);
	assert_in_range(told_late_after(true), LATE_S + 3, LATE_S + 4);
	end();
	begin_ungreeted(stranger);
	for (int i = 0; i < 100; i++)
		greeting_times_add(&tally.greeting_times, 3 * US_PER_S);
	assert_int_equal(told_late_after(true), LATE_S);
	end();
}

/* The machine lets the proxy run seldom, and the greeting is in its socket. */
static void a_greeting_that_has_come_is_not_late(void **state)
{
	int pair[2];
	char greeting[4];

	begin_ungreeted(stranger);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	s.backend_fd = pair[0];
	s.probes = true;
	assert_int_equal(write(pair[1], "220 ", 4), 4);
	assert_int_equal(told_late_after(true), 0);
	assert_int_equal(read(pair[0], greeting, 4), 4);
	assert_int_equal(told_late_after(true), LATE_S);
	close(pair[0]);
	close(pair[1]);
	end();
}

static void a_server_that_hangs_has_many_waiting(void **state)
{
	begin_ungreeted(stranger);
	tally.greetings.waiting = 8;
	assert_int_equal(told_late_after(false), HANGS_S);
	end();
	/* Few may all wait for their own name servers, and the machine is idle. */
	begin_ungreeted(stranger);
	tally.greetings.waiting = 7;
	assert_int_equal(told_late_after(false), 0);
	end();
}

/* Of many, the first was told: so are the last, unless the server has greeted one since. */
static void the_last_of_many_are_told_like_the_first(void **state)
{
	for (int overload = 0; overload < 2; overload++) {
		begin_ungreeted(stranger);
		tally.greetings.waiting = 8;
		assert_int_equal(told_late_after(overload), overload ? LATE_S : HANGS_S);
		tally.greetings.waiting = 7;
		begin_another("::ffff:198.51.100.7");
		assert_int_equal(told_late_after(false), HANGS_S);
		tally.greetings.given++;
		begin_another("::ffff:198.51.100.8");
		assert_int_equal(told_late_after(false), 0);
		end();
	}
}

/* A single client is told when the server has been silent to all for longer than any tarpit or
 * name server takes. */
static void a_server_that_is_silent_for_long_hangs(void **state)
{
	static const unsigned last_s[] = { 0, 60, 100 };

	for (unsigned i = 0; i < sizeof(last_s) / sizeof(last_s[0]); i++) {
		begin_ungreeted(stranger);
		tally.greetings.waiting = 1;
		speaks_until = last_s[i];
		assert_int_equal(told_late_after(false), last_s[i] + SILENT_S);
		end();
	}
	/* It was silent before this client came, too: that says nothing. */
	begin_ungreeted(stranger);
	tally.greetings.waiting = 1;
	s.track.began_us += 100 * US_PER_S;
	speaks_until = 0;
	assert_int_equal(told_late_after(false), 100 + SILENT_S);
	/* Its next attempt waits. */
	s.refusal = REASON_NONE;
	s.track.began_us += 300 * US_PER_S;
	assert_int_equal(told_late_after(false), 0);
	end();
	/* A server that usually greets after 40 s: three times that, and what the plan allows. */
	begin_ungreeted(stranger);
	tally.greetings.waiting = 1;
	tally.plan.plan.service[0].greeting_timeout_us = (30 + 3 * 40) * US_PER_S;
	assert_int_equal(told_late_after(false), 30 + 3 * 40);
	end();
	speaks_until = 2 * LONGEST_S;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_is_told_late_only_while_places_are_short),
		cmocka_unit_test(the_time_without_a_plan_is_not_held_against_a_client),
		cmocka_unit_test(nor_is_the_time_before_a_plan_limits),
		cmocka_unit_test(nor_is_the_time_in_which_the_proxy_did_not_run),
		cmocka_unit_test(a_starved_proxy_tells_its_clients_late_all_the_same),
		cmocka_unit_test(a_proxy_that_knows_no_greetings_tells_none_late_for_load),
		cmocka_unit_test(a_promised_client_is_never_told_late),
		cmocka_unit_test(trusted_clients_and_those_of_this_host_are_never_told_late),
		cmocka_unit_test(no_source_is_told_late_twice),
		cmocka_unit_test(a_client_that_others_have_overtaken_is_never_told_late),
		cmocka_unit_test(a_client_may_wait_as_long_as_some_usually_do),
		cmocka_unit_test(a_greeting_that_has_come_is_not_late),
		cmocka_unit_test(a_server_that_hangs_has_many_waiting),
		cmocka_unit_test(the_last_of_many_are_told_like_the_first),
		cmocka_unit_test(a_server_that_is_silent_for_long_hangs),
	};

	return cmocka_run_group_tests_name("late", tests, NULL, NULL);
}
