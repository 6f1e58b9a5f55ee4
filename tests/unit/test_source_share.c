/* Who gets what: cut-offs, fair rates, pools. */
#include "source_world.h"

#include "base/array.h"

static void no_cutoff_while_there_is_room(void **state)
{
	struct world w;

	begin(&w);
	for (int i = 0; i < 600; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < 9; k++)
			assert_true(ask(&w, 0x0a000000 + (uint32_t)(i * 9) * 256 + k * 256).admit);
	}
	assert_int_equal(w.plan.service[0].cutoff[0], 0);
	end(&w);
}

/* Ten times the capacity, all of them new: the cut-off admits what there are credits for. */
static void the_cutoff_admits_what_there_are_credits_for(void **state)
{
	struct world w;
	unsigned admitted = 0;

	begin(&w);
	for (uint32_t i = 0; i < 900; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < 100; k++) {
			bool in = ask(&w, 0x0a000000 + (i * 100 + k) * 256).admit;

			admitted += in && i >= 300;
		}
	}
	/* 60 s at 100 a second */
	assert_near((int)admitted, 6000, 600);
	end(&w);
}

/* A source hears the same all through an epoch, however often it asks. */
static void verdicts_hold_for_an_epoch(void **state)
{
	struct world w;
	unsigned changes = 0, asked = 0;
	uint64_t epoch;
	static int8_t first[200];

	begin(&w);
	for (uint32_t i = 0; i < 600; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < 100; k++)
			ask(&w, 0x0a000000 + (i * 100 + k) * 256);
	}
	while (w.now_us / (60 * SECOND) == 1060 / 60)
		step(&w, SECOND / 10);
	epoch = w.plan.epoch;
	memset(first, -1, sizeof(first));
	for (uint32_t i = 0; w.plan.epoch == epoch; i++) {
		for (uint32_t k = 0; k < 100; k++) /* the rest of the load goes on */
			ask(&w, 0x14000000 + (i * 100 + k) * 256);
		if (i % 50 == 49)
			for (uint32_t k = 0; k < 200; k++) {
				struct source_event e =
					event_of(0x1e000000 + k * 256, SOURCE_ATTEMPT);
				struct plan_request r = { .now_us = w.now_us,
							  .tokens_milli = PLAN_UNLIMITED };
				struct plan_source source;
				int8_t in;

				source_lookup(w.table, e.address, w.now_us, &source);
				plan_rank(&w.plan, &source, &r);
				in = plan_decide(&w.plan, &r).admit;
				changes += first[k] >= 0 && in != first[k];
				first[k] = in;
				asked++;
			}
		step(&w, SECOND / 10);
	}
	assert_true(asked >= 1000);
	assert_true(changes < asked / 50);
	end(&w);
}

/* Who comes back properly gets in before the newcomers, of whom a tenth still gets in. */
static void seniority_goes_first_and_newcomers_keep_a_tenth(void **state)
{
	struct world w;
	unsigned old_in = 0, old_asked = 0, new_in = 0;

	begin(&w);
	/* 60 known senders a second on their second attempt, and 940 strangers */
	for (uint32_t i = 0; i < 1200; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < 6; k++) {
			uint32_t who = 0x0a000000 + ((i % 600) * 6 + k) * 256;

			if (i < 600)
				note(&w, who, false);
		}
		for (uint32_t k = 0; k < 94; k++)
			new_in += ask(&w, 0x20000000 + (i * 94 + k) * 256).admit && i >= 600;
	}
	pass(&w, 120);
	new_in = 0;
	for (uint32_t i = 0; i < 600; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < 20; k++) {
			uint32_t who = 0x0a000000 + ((i * 20 + k) % 3600) * 256;
			bool in = ask(&w, who).admit;

			/* In the first moments every source is admitted: what arrives is not known
			 * yet. */
			if (i >= 20 && i < 180) {
				old_asked++;
				old_in += in;
			}
		}
		for (uint32_t k = 0; k < 80; k++)
			new_in += ask(&w, 0x40000000 + (i * 80 + k) * 256).admit && i >= 100;
	}
	assert_true(old_asked == 3200);
	assert_true(new_in >= 400); /* 50 s at 10 a second, less noise */
	assert_true(old_in > 1200); /* 16 s at up to 90 a second */
	end(&w);
}

/* ---- rates ---------------------------------------------------------------------------------- */

/* One of eleven sources sends a thousand times as much: it gets about its fair share, the others
 * nearly all of theirs. */
static void a_heavy_source_costs_the_others_next_to_nothing(void **state)
{
	struct world w;
	unsigned heavy = 0, heavy_asked = 0, others = 0, others_asked = 0;

	begin(&w);
	for (uint32_t i = 0; i < 1800; i++) {
		step(&w, SECOND / 10);
		for (int k = 0; k < 100; k++) {
			heavy_asked += i >= 600;
			heavy += ask(&w, 0xc6336401).admit && i >= 600;
		}
		for (uint32_t k = 0; k < 5; k++) {
			others_asked += i >= 600;
			others += ask(&w, 0x0a000000 + ((i * 5 + k) % 50) * 256).admit && i >= 600;
		}
	}
	assert_true(others >= 0.97 * others_asked);
	/* 100 a second less the others' 50, in whole seconds of a window that slides */
	assert_true(heavy < 0.12 * heavy_asked);
	assert_true(heavy > 0);
	assert_true(view_of(&w, 0xc6336401).rate > 10 * view_of(&w, 0x0a000000).rate);
	assert_near(view_of(&w, 0xc6336401).attempts_total, 180000u, 1000u);
	end(&w);
}

/* 2001:db8:NETWORK:SUBNET::HOST */
static struct source_event event_of_v6(uint16_t network, uint16_t subnet, uint32_t host)
{
	struct source_event e = { .kind = SOURCE_ATTEMPT,
				  .address = { 0x20, 0x01, 0x0d, 0xb8, (uint8_t)(network >> 8),
					       (uint8_t)network, (uint8_t)(subnet >> 8),
					       (uint8_t)subnet } };

	for (int i = 0; i < 4; i++)
		e.address[12 + i] = (uint8_t)(host >> (24 - 8 * i));
	return e;
}

/* A customer of a provider has a /64 or a /48, and may take another address of it for each
 * connection. It gets about the share of one source, also when each of its subnets comes back
 * properly and so earns what one sender would earn. */
static void an_ipv6_sender_with_ever_new_addresses_is_one_source(void **state)
{
	static const struct {
		unsigned hosts, subnets, each_tick;
	} cases[] = {
		{ 100000, 1, 100 }, /* new hosts of a /64 */
		{ 100000, 65536, 100 }, /* new subnets of a /48 */
		{ 1, 14400, 10 }, /* 14,400 subnets that retry each 144 s */
	};

	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		unsigned in = 0, others = 0, others_asked = 0, n = 0;
		struct source_stats s;
		struct world w;

		begin(&w);
		for (uint32_t i = 0; i < 6000; i++) {
			step(&w, SECOND / 10);
			for (unsigned k = 0; k < cases[c].each_tick; k++, n++) {
				struct source_event e = event_of_v6(
					7, (uint16_t)(n % cases[c].subnets), n % cases[c].hosts);

				in += ask_event(&w, e).admit && i >= 600;
			}
			for (uint32_t k = 0; k < 9; k++) {
				others_asked += i >= 600;
				others += ask(&w, 0x0a000000 + ((i * 9 + k) % 900) * 256).admit &&
					  i >= 600;
			}
		}
		source_stats(w.table, &s);
		assert_true(others >= 0.97 * others_asked);
		assert_true(in > 0);
		assert_true(in <= 0.12 * others_asked); /* what the others leave */
		assert_true(s.tracked <= 900 + cases[c].subnets);
		end(&w);
	}
}

/* Fifty that have been there for minutes, and one that comes with ten times the capacity: the
 * minute that is remembered is theirs alone, and still it is the newcomer who is told within the
 * second. */
static void an_onset_is_not_blamed_on_those_who_were_there(void **state)
{
	struct world w;
	unsigned others = 0, others_asked = 0, heavy = 0;

	begin(&w);
	for (uint32_t i = 0; i < 1200; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < 5; k++)
			ask(&w, 0x0a000000 + ((i * 5 + k) % 50) * 256);
	}
	for (uint32_t i = 0; i < 100; i++) {
		step(&w, SECOND / 10);
		for (int k = 0; k < 100; k++)
			heavy += ask(&w, 0xc6336401).admit && i >= 10;
		for (uint32_t k = 0; k < 5; k++) {
			struct verdict v = ask(&w, 0x0a000000 + ((i * 5 + k) % 50) * 256);

			others_asked += i >= 5;
			others += v.admit && i >= 5;
		}
	}
	assert_true(others >= 0.99 * others_asked);
	assert_true(heavy < 0.12 * 9000);
	assert_int_equal(view_of(&w, 0xc6336401).source.heavy, PLAN_HEAVY_SHARE);
	end(&w);
}

/* An unusual source may use all that others leave: the whole window if there is no other source,
 * and less if there are some. The same in observe mode. */
static void what_is_kept_from_the_unusual_is_for_somebody(void **state)
{
	for (int observe = 0; observe < 2; observe++) {
		struct world w;
		unsigned in = 0;

		begin(&w);
		w.plan.mode = observe ? PLAN_OBSERVE : PLAN_ENFORCE;
		w.plan.level = 1;
		for (uint32_t i = 0; i < 600; i++) {
			step(&w, SECOND / 10);
			for (int k = 0; k < 100; k++)
				in += ask(&w, 0xc6336401).admit && i >= 300;
		}
		assert_true(observe || in > 0.97 * 3000);
		assert_in_range(w.plan.service[0].reserve_256, 0, 12);
		for (uint32_t i = 0; i < 600 && !observe; i++) {
			step(&w, SECOND / 10);
			for (int k = 0; k < 100; k++)
				ask(&w, 0xc6336401);
			for (uint32_t k = 0; k < 5; k++)
				ask(&w, 0x0a000000 + ((i * 5 + k) % 50) * 256);
		}
		assert_true(observe || w.plan.service[0].reserve_256 > 0);
		end(&w);
	}
}

/* The level is up (a neighbour presses the machine), and each of sixteen sources sends much against
 * its own past: while there are free places no source is refused. */
static void no_source_is_refused_while_places_are_free(void **state)
{
	struct world w;

	begin(&w);
	w.plan.level = 3;
	w.input.service[0].capacity_per_s = 5; /* found far too low */
	w.input.service[0].admitted_per_s = 5;
	for (uint32_t i = 0; i < 1200; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < (i < 300 ? 1u : 7u); k++) {
			struct verdict v = ask(&w, 0x0a000000 + (i * 7 + k) % 16 * 256);

			assert_true(v.admit);
		}
	}
	end(&w);
}

static void the_operators_rate_holds_for_one_address(void **state)
{
	struct world w;
	unsigned in = 0;

	begin(&w);
	w.config.rate_max = 20;
	source_configure(w.table, &w.config);
	step(&w, SECOND);
	for (int i = 0; i < 100; i++)
		in += ask(&w, 0xc0000207).admit;
	assert_int_equal(in, 21); /* the one over it is seen when it is noted */
	assert_int_equal(ask(&w, 0xc0000207).reason, REASON_RATE);
	assert_true(ask(&w, 0xc0000208).admit);
	/* It is no load that could be shared: beside it no place is short. */
	for (int i = 0; i < 100; i++) {
		step(&w, SECOND / 10);
		for (int k = 0; k < 20; k++)
			ask(&w, 0xc0000207);
	}
	assert_int_equal(w.plan.service[0].reserve_256, 0);
	pass(&w, 130);
	assert_true(ask(&w, 0xc0000207).admit);
	end(&w);
}

/* The window slides: of what was there a minute ago half is left on the average, of what was there
 * two minutes ago nothing. */
static void the_sketch_forgets_evenly(void **state)
{
	struct world w;
	double sum = 0;

	begin(&w);
	step(&w, SECOND);
	for (uint32_t k = 0; k < 100; k++)
		for (int i = 0; i < 100; i++)
			note(&w, 0x0a000000 + k * 256, false);
	assert_near(view_of(&w, 0x0a000000).connections_per_min, 100, 1);
	for (int i = 0; i < 600; i++)
		step(&w, SECOND / 10);
	for (uint32_t k = 0; k < 100; k++)
		sum += view_of(&w, 0x0a000000 + k * 256).connections_per_min;
	assert_near(sum / 100, 50, 10);
	for (int i = 0; i < 610; i++)
		step(&w, SECOND / 10);
	for (uint32_t k = 0; k < 100; k++)
		assert_int_equal((int)view_of(&w, 0x0a000000 + k * 256).connections_per_min, 0);
	end(&w);
}

/* ---- with the loop closed ------------------------------------------------------------------- */

/* `sources` of equal rate offer `offered` connections a second to a server that serves 100 a
 * second, half a second each, behind a window of 50. Returns what share of the capacity was used
 * over the last minutes; `ret_least` gets the least share that any one of them had of an even
 * one. */
static double closed_loop(unsigned sources, unsigned offered, double *ret_least)
{
	static unsigned ends[100]; /* sessions that end in so many ticks, a ring */
	struct world w;
	unsigned in_flight = 0, served = 0, ticks = 12000, by[64] = { 0 };
	uint64_t random = 1;
	double admitted = 0, least = 1e9;

	begin(&w);
	memset(ends, 0, sizeof(ends));
	for (unsigned i = 0; i < ticks; i++) {
		in_flight -= ends[i % 100];
		ends[i % 100] = 0;
		w.input.service[0] = (struct source_load){ .capacity_per_s = 100,
							   .admitted_per_s = admitted,
							   .in_flight = in_flight,
							   .window = 50 };
		step(&w, SECOND / 10);
		for (unsigned k = 0; k < offered / 10; k++) {
			struct source_event e;
			struct plan_request r = { .now_us = w.now_us,
						  .tokens_milli = PLAN_UNLIMITED,
						  .in_flight = in_flight };
			struct plan_source source;
			struct verdict v;
			unsigned who;

			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			who = (unsigned)(random >> 33) % sources;
			e = event_of(0x0a000001 + who * 256, SOURCE_ATTEMPT);
			w.plan.service[0].window = 50;
			w.plan.service[0].ungreeted_max = w.plan.service[0].rate_milli =
				PLAN_UNLIMITED;
			source_lookup(w.table, e.address, w.now_us, &source);
			plan_rank(&w.plan, &source, &r);
			v = plan_decide(&w.plan, &r);
			e.admitted = v.admit;
			e.reason = v.reason;
			e.limit = v.limit;
			sources_note(w.table, &e, 1, w.now_us);
			if (!v.admit)
				continue;
			in_flight++;
			ends[(i + 5) % 100]++;
			served += i >= ticks / 4;
			by[who % 64] += i >= ticks / 4;
		}
		admitted += 0.1 * (in_flight * 2 - admitted);
	}
	for (unsigned k = 0; k < sources && k < 64; k++)
		if (by[k] < least)
			least = by[k];
	if (ret_least)
		*ret_least = least * sources / served;
	end(&w);
	return served / (0.75 * ticks * 10);
}

/* However few they are (a load balancer, a few relays), ranking must not leave the server idle. */
static void few_sources_use_the_whole_capacity(void **state)
{
	double least;

	assert_true(closed_loop(1, 1000, NULL) > 0.93);
	assert_true(closed_loop(1, 150, NULL) > 0.93);
	assert_true(closed_loop(2, 1000, &least) > 0.93);
	assert_true(least > 0.5);
	assert_true(closed_loop(5, 1000, &least) > 0.93);
	assert_true(least > 0.5);
	assert_true(closed_loop(40, 1000, &least) > 0.93);
	assert_true(least > 0.5);
	assert_true(closed_loop(40, 200, &least) > 0.93);
	assert_true(least > 0.5);
}

/* ---- pools ---------------------------------------------------------------------------------- */

static struct source_network network(uint32_t address, unsigned bits, unsigned pool)
{
	struct source_event e = event_of(address, SOURCE_ATTEMPT);
	struct source_network n = { .bits = (uint8_t)(96 + bits), .pool = (uint8_t)pool };

	memcpy(n.address, e.address, 16);
	return n;
}

static void a_pool_is_one_source_and_the_longest_prefix_wins(void **state)
{
	struct world w;

	begin(&w);
	w.config.pools = 2;
	memcpy(w.config.pool[0].name, "big", 4);
	memcpy(w.config.pool[1].name, "inner", 6);
	w.config.pool[0].weight = w.config.pool[1].weight = 1;
	w.config.networks = 4;
	w.config.network[0] = network(0x0a000000, 8, 0);
	w.config.network[1] = network(0x0a010000, 16, 1);
	w.config.network[2] = network(0x0a010200, 24, 0);
	w.config.network[3] = (struct source_network){ .address = { 0x20, 0x01, 0x0d, 0xb8 },
						       .bits = 32,
						       .pool = 0 };
	source_configure(w.table, &w.config);
	step(&w, SECOND);
	assert_string_equal(view_of(&w, 0x0a000001).pool, "big");
	assert_string_equal(view_of(&w, 0x0a0100ff).pool, "inner");
	assert_string_equal(view_of(&w, 0x0a010201).pool, "big");
	assert_string_equal(view_of(&w, 0x0a010300).pool, "inner");
	assert_string_equal(view_of(&w, 0x0a020000).pool, "big");
	assert_string_equal(view_of(&w, 0x0affffff).pool, "big");
	assert_string_equal(view_of(&w, 0x0b000000).pool, "");
	assert_string_equal(view_of(&w, 0x09ffffff).pool, "");
	note(&w, 0x0a000001, false);
	assert_true(view_of(&w, 0x0a7f0001).deferred); /* the same source */
	assert_false(view_of(&w, 0x0a0100ff).known);
	end(&w);
}

/* ---- the promise ---------------------------------------------------------------------------- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_cutoff_while_there_is_room),
		cmocka_unit_test(the_cutoff_admits_what_there_are_credits_for),
		cmocka_unit_test(verdicts_hold_for_an_epoch),
		cmocka_unit_test(seniority_goes_first_and_newcomers_keep_a_tenth),
		cmocka_unit_test(a_heavy_source_costs_the_others_next_to_nothing),
		cmocka_unit_test(what_is_kept_from_the_unusual_is_for_somebody),
		cmocka_unit_test(the_operators_rate_holds_for_one_address),
		cmocka_unit_test(an_ipv6_sender_with_ever_new_addresses_is_one_source),
		cmocka_unit_test(an_onset_is_not_blamed_on_those_who_were_there),
		cmocka_unit_test(no_source_is_refused_while_places_are_free),
		cmocka_unit_test(the_sketch_forgets_evenly),
		cmocka_unit_test(few_sources_use_the_whole_capacity),
		cmocka_unit_test(a_pool_is_one_source_and_the_longest_prefix_wins),
	};

	return cmocka_run_group_tests_name("source_share", tests, NULL, NULL);
}
