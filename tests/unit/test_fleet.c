/* What hosts tell each other: merging, the memory, the bytes, and the ledger that takes it. */
#include "cmocka_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fleet_host.h"
#include "core/fleet_ledger.h"
#include "core/siphash.h"
#include "core/splitmix.h"
#include "fleet/exchange.h"
#include "fleet/hosts.h"
#include "source_world.h"

#define NOW 1800001000u /* s, as source_world.h has it */

static const struct siphash_key key = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

static unsigned below(uint64_t *random, unsigned most)
{
	return (unsigned)(splitmix_unit(random) * most);
}

static struct fleet_record any_record(uint64_t *random)
{
	struct fleet_record r = { .key = 7, .epoch = below(random, 4) * 100 };

	if (below(random, 4)) {
		r.first = r.epoch + 1 + below(random, 50);
		r.last = r.first + below(random, 50);
		r.tries = (uint8_t)(1 + below(random, 5));
		r.classes = (uint8_t)below(random, 8);
	} else {
		r.classes = (uint8_t)below(random, 4);
	}
	return r;
}

static struct fleet_record joined(struct fleet_record a, struct fleet_record b)
{
	fleet_merge(&a, &b);
	return a;
}

#define assert_same(a, b) \
	do { \
		struct fleet_record a_ = (a), b_ = (b); \
		assert_memory_equal(&a_, &b_, sizeof(a_)); \
	} while (0)

static void merging_is_idempotent_commutative_and_associative(void **state)
{
	uint64_t random = 1;

	for (int i = 0; i < 20000; i++) {
		struct fleet_record a = any_record(&random), b = any_record(&random),
				    c = any_record(&random);

		assert_same(joined(a, a), a);
		assert_same(joined(a, b), joined(b, a));
		assert_same(joined(joined(a, b), c), joined(a, joined(b, c)));
	}
}

static void the_earliest_first_the_latest_last_and_most_tries_count(void **state)
{
	struct fleet_record a = { .key = 1, .first = 100, .last = 100, .tries = 1 };
	struct fleet_record b = { .key = 1, .first = 101, .last = 400, .tries = 2 };
	struct fleet_record in = { .key = 1, .epoch = 700 }, r = joined(a, b);

	assert_int_equal(r.first, 100);
	assert_int_equal(r.last, 400);
	assert_int_equal(r.tries, 2);
	r = joined(in, r); /* admitted at 700 by a host that is heard first */
	assert_int_equal(r.first, 0);
	assert_int_equal(r.tries, 0);
}

/* ---- the memory ----------------------------------------------------------------------------- */

static void make_memory(struct fleet_memory *m, uint32_t sets, uint32_t queue)
{
	memset(m, 0, sizeof(*m));
	m->sets = sets;
	m->slots = calloc((size_t)sets * FLEET_SET_SLOTS, sizeof(*m->slots));
	m->queue_size = queue;
	m->queue = calloc(queue, sizeof(*m->queue));
	assert_true(m->slots && m->queue);
}

static void free_memory(struct fleet_memory *m)
{
	free(m->slots);
	free(m->queue);
}

static struct fleet_record known(struct fleet_memory *m, uint64_t of)
{
	const struct fleet_record nothing = { .key = of };
	struct fleet_record r = { 0 };

	fleet_take(m, &nothing, NOW, &r);
	return r;
}

/* Every record that a host says reaches the others in any order, some of them more than once, and
 * some not before they are said again: in the end all hosts know the same. */
static void hosts_agree_whatever_becomes_of_messages(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct fleet_memory m[3];
		static struct fleet_record said[4096];
		unsigned count = 0;
		uint64_t random = seed;
		uint32_t now = NOW;

		for (int h = 0; h < 3; h++)
			make_memory(&m[h], 64, 1024);
		for (int i = 0; i < 200; i++) {
			struct fleet_seen seen = { .deferred = below(&random, 4) > 0 };
			struct fleet_record r;
			unsigned h = below(&random, 3);
			uint64_t of = 1 + below(&random, 8);

			now += below(&random, 200);
			if (seen.deferred)
				seen = (struct fleet_seen){ true, now - below(&random, 100), now,
							    (uint8_t)(1 + below(&random, 3)), 0 };
			fleet_note(&m[h], of, &seen, now, &r);
			count += fleet_changes(&m[h], said + count, 8);
			if (count && below(&random, 3)) /* lost, late, doubled: anything */
				fleet_take(&m[below(&random, 3)], &said[below(&random, count)], now,
					   &r);
		}
		/* What a host says when it learns that its own wait goes on in a later epoch
		 * reaches the others, too. */
		for (unsigned i = 0; i < count; i++) {
			unsigned other = i + below(&random, count - i);
			struct fleet_record r = said[other];

			said[other] = said[i];
			said[i] = r;
			for (int h = 0; h < 3; h++) {
				fleet_take(&m[h], &said[i], now, &r);
				count += fleet_changes(&m[h], said + count, 4096 - count);
			}
			assert_true(count < 4096);
		}
		for (uint64_t of = 1; of <= 8; of++) {
			assert_same(known(&m[0], of), known(&m[1], of));
			assert_same(known(&m[0], of), known(&m[2], of));
		}
		for (int h = 0; h < 3; h++)
			free_memory(&m[h]);
	}
}

static void a_wait_that_goes_on_elsewhere_survives_an_admission(void **state)
{
	struct fleet_memory m;
	struct fleet_seen seen = { true, NOW + 50, NOW + 400, 2, 0 };
	struct fleet_record admitted = { .key = 9, .epoch = NOW + 20 }, r;

	make_memory(&m, 16, 16);
	fleet_note(&m, 9, &seen, NOW + 400, &r);
	fleet_take(&m, &admitted, NOW + 401, &r);
	assert_int_equal(r.first, NOW + 50); /* it began after that */
	assert_int_equal(r.tries, 2);
	assert_int_equal(fleet_changes(&m, &r, 1), 1); /* and the others are told */
	assert_int_equal(r.epoch, NOW + 20);
	free_memory(&m);
}

static void the_memory_and_its_queue_are_bounded(void **state)
{
	struct fleet_memory m;
	struct fleet_record r, out[64];
	unsigned told = 0, n;

	make_memory(&m, 16, 32);
	for (uint32_t i = 1; i <= 1000; i++) {
		struct fleet_seen seen = { true, NOW + i, NOW + i, 1, 0 };

		fleet_note(&m, i, &seen, NOW + i, &r);
	}
	assert_true(m.tracked <= 16 * FLEET_SET_SLOTS);
	assert_int_equal(m.tracked + m.forgotten, 1000);
	assert_true(m.left_out > 0);
	while ((n = fleet_changes(&m, out, 64)) > 0)
		told += n;
	assert_true(told <= 32);
	free_memory(&m);
}

static void what_makes_no_sense_is_not_taken(void **state)
{
	const struct fleet_record bad[] = {
		{ .key = 0, .epoch = NOW },
		{ .key = 1, .epoch = NOW + 3600 }, /* a clock that is ahead */
		{ .key = 1, .first = NOW, .last = NOW - 1, .tries = 1 },
		{ .key = 1, .first = NOW, .last = NOW },
		{ .key = 1, .tries = 3 },
		{ .key = 1, .epoch = NOW, .classes = 0x80 },
		{ .key = 1, .epoch = NOW - 40 * 86400 },
	};
	struct fleet_memory m;
	struct fleet_record r;

	make_memory(&m, 16, 16);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(fleet_take(&m, &bad[i], NOW, &r));
	assert_int_equal(m.tracked, 0);
	free_memory(&m);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Of appendix A of the paper: key 00..0f, message 00..0e. */
static void siphash_is_that_of_its_paper(void **state)
{
	const struct siphash_key paper = { { UINT64_C(0x0706050403020100),
					     UINT64_C(0x0f0e0d0c0b0a0908) } };
	uint8_t message[15];

	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	assert_int_equal(siphash(&paper, message, sizeof(message)), UINT64_C(0xa129ca6149be45e5));
	assert_int_equal(siphash(&paper, message, 0), UINT64_C(0x726fdb47dd0e0e31));
	assert_int_equal(siphash(&paper, message, 8), UINT64_C(0x93f5f5799a932462));
}

static void records_come_back_and_damage_is_found(void **state)
{
	struct fleet_record in[3], out[FLEET_FRAME_RECORDS];
	const struct siphash_key other = { { 1, 2 } };
	static uint8_t bytes[FLEET_FRAME_BYTES];
	uint64_t random = 5, host = 0;
	size_t length;

	for (int i = 0; i < 3; i++)
		in[i] = any_record(&random);
	length = fleet_put_records(&key, 77, in, 3, bytes);
	assert_int_equal(fleet_get_records(&key, bytes, length, &host, out), 3);
	assert_int_equal(host, 77);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(fleet_get_records(&other, bytes, length, &host, out), -EBADMSG);
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(fleet_get_records(&key, bytes, i, &host, out), -EBADMSG);
		bytes[i] ^= 0x10;
		assert_int_equal(fleet_get_records(&key, bytes, length, &host, out), -EBADMSG);
		bytes[i] ^= 0x10;
	}
}

static void a_host_comes_back_and_its_name_is_printable(void **state)
{
	struct fleet_host in = { .name = "mx1.example.org",
				 .id = 3,
				 .realtime_us = 4,
				 .window = -1,
				 .in_flight = 6,
				 .demand = 1.5f,
				 .level = 2,
				 .observes = 1 },
			  out;
	static uint8_t bytes[FLEET_FRAME_BYTES];
	size_t length = fleet_put_host(&key, &in, bytes);

	assert_int_equal(fleet_get_host(&key, bytes, length, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	in.name[3] = '<';
	length = fleet_put_host(&key, &in, bytes);
	assert_int_equal(fleet_get_host(&key, bytes, length, &out), -EBADMSG);
	in.name[3] = '1';
	in.demand = -1;
	length = fleet_put_host(&key, &in, bytes);
	assert_int_equal(fleet_get_host(&key, bytes, length, &out), 0);
	assert_true(out.demand < 0);
}

/* ---- the ledgers of several hosts ----------------------------------------------------------- */

static void fill_event(struct source_event *e, const uint8_t *address, bool is_admitted)
{
	*e = (struct source_event){ .kind = SOURCE_ATTEMPT,
				    .admitted = is_admitted,
				    .reason = is_admitted ? REASON_NONE : REASON_CPU,
				    .limit = is_admitted ? LIMIT_NONE : LIMIT_WINDOW };
	memcpy(e->address, address, sizeof(e->address));
}

struct host {
	struct world world;
	struct fleet_memory memory;
};

static const uint8_t sender[16] = { [10] = 0xff, [11] = 0xff, 203, 0, 113, 9 };

static uint32_t wall_s(const struct host *h)
{
	return (uint32_t)(EPOCH + h->world.now_us / SECOND);
}

static void attempt(struct host *h, bool is_admitted)
{
	struct source_event e;

	fill_event(&e, sender, is_admitted);
	sources_note(h->world.table, &e, 1, h->world.now_us);
	fleet_ledger_events(h->world.table, &h->memory, &e, 1, h->world.now_us, wall_s(h));
}

/* How many records. */
static unsigned tell(struct host *from, struct host *to)
{
	struct fleet_record r[16];
	unsigned n = fleet_changes(&from->memory, r, 16);

	for (unsigned i = 0; i < n; i++)
		assert_true(fleet_ledger_take(to->world.table, &to->memory, &r[i], to->world.now_us,
					      wall_s(to)) >= 0);
	return n;
}

/* As with a memory that others have filled, or after a restart. */
static void forget(struct host *h)
{
	memset(h->memory.slots, 0,
	       (size_t)h->memory.sets * FLEET_SET_SLOTS * sizeof(*h->memory.slots));
	h->memory.queued = 0;
}

static void begin_hosts(struct host *h, unsigned count, bool hidden)
{
	for (unsigned i = 0; i < count; i++) {
		begin(&h[i].world);
		if (hidden)
			source_hide(h[i].world.table, &key);
		make_memory(&h[i].memory, 64, 64);
		step(&h[i].world, SECOND);
	}
}

static void end_hosts(struct host *h, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		end(&h[i].world);
		free_memory(&h[i].memory);
	}
}

static void wait_all(struct host *h, unsigned count, uint64_t s)
{
	for (unsigned i = 0; i < count; i++)
		step(&h[i].world, s * SECOND);
}

static void third_attempt_is_promised(bool hidden)
{
	struct host h[3];
	struct source_view view;
	struct plan_source source;

	begin_hosts(h, 3, hidden);
	attempt(&h[0], false);
	tell(&h[0], &h[1]);
	wait_all(h, 3, 300);
	attempt(&h[1], false);
	tell(&h[1], &h[2]);
	wait_all(h, 3, 300);
	source_lookup(h[2].world.table, sender, h[2].world.now_us, &source);
	assert_int_equal(source.band,
			 PLAN_BAND_PROMISED); /* though this host sees it for the first time */
	source_explain(h[2].world.table, sender, h[2].world.now_us, &view);
	assert_int_equal(view.attempts, 2);
	/* Admitted there: its wait is over everywhere. */
	attempt(&h[2], true);
	tell(&h[2], &h[0]);
	source_explain(h[0].world.table, sender, h[0].world.now_us, &view);
	assert_false(view.deferred);
	end_hosts(h, 3);
}

/* Else each host of a large fleet, whose memories are full, would tell again what one says. */
static void what_a_memory_forgot_is_not_told_again(void **state)
{
	struct host h[2];

	begin_hosts(h, 2, false);
	attempt(&h[0], false);
	assert_int_equal(tell(&h[0], &h[1]), 1);
	forget(&h[1]);
	wait_all(h, 2, 300);
	attempt(&h[0], false);
	assert_int_equal(tell(&h[0], &h[1]), 1);
	assert_int_equal(tell(&h[1], &h[0]), 0);
	end_hosts(h, 2);
}

static void what_the_ledger_knows_better_is_told(void **state)
{
	struct source_view view;
	struct host h[2];

	begin_hosts(h, 2, false);
	attempt(&h[1], false);
	forget(&h[1]);
	wait_all(h, 2, 300);
	attempt(&h[0], false);
	assert_int_equal(tell(&h[0], &h[1]), 1);
	assert_int_equal(tell(&h[1], &h[0]), 1);
	source_explain(h[0].world.table, sender, h[0].world.now_us, &view);
	assert_true(view.since_s + 299 <= wall_s(&h[0]));
	end_hosts(h, 2);
}

static void the_third_attempt_is_promised_wherever_it_comes(void **state)
{
	third_attempt_is_promised(false);
}

static void hidden_addresses_keep_the_promise_too(void **state)
{
	third_attempt_is_promised(true);
}

static void a_hidden_key_does_not_show_the_network(void **state)
{
	struct host h[2];

	begin_hosts(h, 1, false);
	begin_hosts(h + 1, 1, true);
	assert_int_equal(source_fleet_key(h[0].world.table, sender), UINT64_C(0xffffcb007100));
	assert_int_not_equal(source_fleet_key(h[1].world.table, sender),
			     source_fleet_key(h[0].world.table, sender));
	end_hosts(h, 2);
}

static void pools_go_by_their_name(void **state)
{
	struct host h[2];
	struct source_config config;
	struct source_view view;

	begin_hosts(h, 2, false);
	for (unsigned i = 0; i < 2; i++) {
		config = h[i].world.config;
		config.pools = 2;
		config.networks = 1;
		snprintf(config.pool[i].name, sizeof(config.pool[i].name), "big");
		snprintf(config.pool[1 - i].name, sizeof(config.pool[1 - i].name), "small");
		config.pool[0].weight = config.pool[1].weight = 4;
		config.network[0] = (struct source_network){ .bits = 120, .pool = (uint8_t)i };
		memcpy(config.network[0].address, sender, 16);
		source_configure(h[i].world.table, &config);
	}
	attempt(&h[0], false);
	tell(&h[0], &h[1]);
	source_explain(h[1].world.table, sender, h[1].world.now_us, &view);
	assert_true(view.deferred);
	end_hosts(h, 2);
}

/* ---- where there is room --------------------------------------------------------------------- */

static void a_host_has_room_that_serves_and_has_half_of_its_window_left(void **state)
{
	const struct fleet_host free = { .window = 20, .in_flight = 10, .demand = .5f };
	struct fleet_host h = free;

	assert_true(fleet_host_has_room(&h));
	h.in_flight = 11;
	assert_false(fleet_host_has_room(&h));
	h.window = -1; /* open */
	h.demand = -1; /* not known */
	assert_true(fleet_host_has_room(&h));
	h.level = LEVEL_ELEVATED;
	assert_false(fleet_host_has_room(&h));
	h = free;
	h.demand = .9f;
	assert_false(fleet_host_has_room(&h));
	for (uint8_t s = STATE_DRAINING; s < STATE__COUNT; s++) {
		h = free;
		h.state = s;
		assert_false(fleet_host_has_room(&h));
	}
}

static void what_a_host_said_is_true_for_seconds(void **state)
{
	const uint64_t now = NOW * UINT64_C(1000000);
	struct hosts *hosts = hosts_new();
	struct fleet_host own = { .name = "mx1", .id = 1, .realtime_us = now, .window = -1 };
	struct fleet_host other = { .name = "mx2", .id = 2, .realtime_us = now, .window = -1 };

	assert_non_null(hosts);
	hosts_hear(hosts, &own, now);
	assert_false(hosts_have_room(hosts, own.id, now));
	hosts_hear(hosts, &other, now + 1000000); /* its clock is behind */
	assert_true(hosts_have_room(hosts, own.id, now + 1000000));
	assert_true(hosts_have_room(hosts, own.id, now + 3900000));
	assert_false(hosts_have_room(hosts, own.id, now + 4000000));
	hosts_hear(hosts, &other, now + 4000000); /* nothing that is new */
	assert_false(hosts_have_room(hosts, own.id, now + 4000000));
	other.realtime_us++;
	hosts_hear(hosts, &other, now + 4000000);
	assert_true(hosts_have_room(hosts, own.id, now + 4000000));
	hosts_free(hosts);
}

static void nobody_waits_for_longer_than_the_walk_to_the_next(void **state)
{
	struct plan plan = { .services = 3 };

	plan.service[0].hold_us = 5000000;
	plan.service[1].hold_us = 200000;
	fleet_shorten_wait(&plan);
	assert_int_equal(plan.service[0].hold_us, FLEET_WALK_US);
	assert_int_equal(plan.service[1].hold_us, 200000);
	assert_int_equal(plan.service[2].hold_us, 0); /* nobody waits at all */
}

/* ---- what the process that talks to the store says ------------------------------------------- */

static struct exchange *open_exchange(void)
{
	struct config_fleet config = { .servers.count = 2, .prefix = "{p}" };
	struct exchange *e = NULL;

	snprintf(config.servers.each[0].text, sizeof(config.servers.each[0].text),
		 "192.0.2.1:6379");
	snprintf(config.servers.each[1].text, sizeof(config.servers.each[1].text),
		 "192.0.2.2:6379");
	assert_int_equal(exchange_open(&config, &key, 77, &e), 0);
	return e;
}

static int take_report(struct exchange *e, const struct exchange_report *report)
{
	struct exchange_message m = { .head.word = EXCHANGE_REPORT };
	struct exchange_heard heard;

	m.report = *report;
	return exchange_take(e, &m, sizeof(m.head) + sizeof(m.report), &heard);
}

static void a_report_is_taken_whose_every_field_can_be(void **state)
{
	const struct exchange_report good = {
		.connected = 1, .server = 1, .failures = 3, .messages = 2, .why = "it is away"
	};
	struct exchange *e = open_exchange();
	struct exchange_report r = good;

	assert_int_equal(take_report(e, &r), 0);
	assert_int_equal(take_report(e, &r), 0);
	assert_string_equal(exchange_state(e)->server, "192.0.2.2:6379");
	assert_string_equal(exchange_state(e)->why, "it is away");
	assert_int_equal(exchange_state(e)->failures, 6);
	assert_int_equal(exchange_state(e)->messages_sent, 4);
	r.server = 2;
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.connected = 2;
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.caught_up = 2;
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.frames = 1; /* it was given none */
	assert_int_equal(take_report(e, &r), -EBADMSG);
	r = good;
	r.why[3] = '\n';
	assert_int_equal(take_report(e, &r), -EBADMSG);
	memset(r.why, 'x', sizeof(r.why));
	assert_int_equal(take_report(e, &r), -EBADMSG);
	exchange_close(e);
}

static void what_it_hands_on_counts_with_the_seal_of_the_fleet_only(void **state)
{
	const struct siphash_key other = { { 1, 2 } };
	const struct fleet_record record = { .key = 7, .epoch = NOW };
	const struct fleet_host host = { .name = "mx2.example.org", .id = 3, .realtime_us = 4 };
	struct exchange *e = open_exchange();
	struct exchange_message m = { .head = { EXCHANGE_HEARD, EXCHANGE_LEDGER } };
	struct exchange_heard heard;
	size_t length;

	length = sizeof(m.head) + fleet_put_records(&key, 3, &record, 1, m.frame);
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_int_equal(heard.records, 1);
	assert_memory_equal(heard.record, &record, sizeof(record));
	assert_null(heard.host);
	fleet_put_records(&key, 77, &record, 1, m.frame); /* our own */
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_int_equal(heard.records, 0);
	assert_int_equal(exchange_state(e)->messages_bad, 0);
	fleet_put_records(&other, 3, &record, 1, m.frame);
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_int_equal(heard.records, 0);
	assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), 0); /* without bytes */
	assert_int_equal(exchange_state(e)->messages_bad, 2);
	m.head.value = EXCHANGE_HOSTS;
	length = sizeof(m.head) + fleet_put_host(&key, &host, m.frame);
	assert_int_equal(exchange_take(e, &m, length, &heard), 0);
	assert_non_null(heard.host);
	assert_string_equal(heard.host->name, "mx2.example.org");
	m.head.value = EXCHANGE_STREAMS;
	assert_int_equal(exchange_take(e, &m, length, &heard), -EBADMSG);
	exchange_close(e);
}

static void it_says_nothing_else(void **state)
{
	struct exchange *e = open_exchange();
	struct exchange_message m = { .head = { EXCHANGE_WANT, 1 } };
	struct exchange_heard heard;

	assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), 0);
	m.head.value = 2; /* there is no such server */
	assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), -EBADMSG);
	assert_int_equal(exchange_take(e, &m, sizeof(m.head) - 1, &heard), -EBADMSG);
	assert_int_equal(exchange_take(e, &m, sizeof(m) + 1, &heard), -EBADMSG);
	for (uint32_t word = 0; word < 20; word++) {
		if (word >= EXCHANGE_BEGUN && word <= EXCHANGE_REPORT)
			continue;
		m.head = (struct exchange_head){ word, 0 };
		assert_int_equal(exchange_take(e, &m, sizeof(m.head), &heard), -EBADMSG);
	}
	exchange_close(e);
}

/* Without a process: a few frames of them, and then the caller keeps its changes. */
static void records_are_kept_while_there_is_no_process(void **state)
{
	static struct fleet_record records[FLEET_FRAME_RECORDS];
	struct exchange *e = open_exchange();

	for (unsigned i = 0; i < FLEET_FRAMES; i++) {
		assert_int_equal(exchange_room(e), (FLEET_FRAMES - i) * FLEET_FRAME_RECORDS);
		exchange_give(e, records, i + 1);
	}
	assert_int_equal(exchange_room(e), 0);
	exchange_close(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging_is_idempotent_commutative_and_associative),
		cmocka_unit_test(the_earliest_first_the_latest_last_and_most_tries_count),
		cmocka_unit_test(hosts_agree_whatever_becomes_of_messages),
		cmocka_unit_test(a_wait_that_goes_on_elsewhere_survives_an_admission),
		cmocka_unit_test(the_memory_and_its_queue_are_bounded),
		cmocka_unit_test(what_makes_no_sense_is_not_taken),
		cmocka_unit_test(siphash_is_that_of_its_paper),
		cmocka_unit_test(records_come_back_and_damage_is_found),
		cmocka_unit_test(a_host_comes_back_and_its_name_is_printable),
		cmocka_unit_test(the_third_attempt_is_promised_wherever_it_comes),
		cmocka_unit_test(what_a_memory_forgot_is_not_told_again),
		cmocka_unit_test(what_the_ledger_knows_better_is_told),
		cmocka_unit_test(hidden_addresses_keep_the_promise_too),
		cmocka_unit_test(a_hidden_key_does_not_show_the_network),
		cmocka_unit_test(pools_go_by_their_name),
		cmocka_unit_test(a_host_has_room_that_serves_and_has_half_of_its_window_left),
		cmocka_unit_test(what_a_host_said_is_true_for_seconds),
		cmocka_unit_test(nobody_waits_for_longer_than_the_walk_to_the_next),
		cmocka_unit_test(a_report_is_taken_whose_every_field_can_be),
		cmocka_unit_test(what_it_hands_on_counts_with_the_seal_of_the_fleet_only),
		cmocka_unit_test(it_says_nothing_else),
		cmocka_unit_test(records_are_kept_while_there_is_no_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
