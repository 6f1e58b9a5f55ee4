/* What the ledgers of several hosts take from each other. */
#include "fleet_memory.h"

#include "core/fleet_ledger.h"
#include "source_world.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_memory_forgot_is_not_told_again),
		cmocka_unit_test(what_the_ledger_knows_better_is_told),
		cmocka_unit_test(the_third_attempt_is_promised_wherever_it_comes),
		cmocka_unit_test(hidden_addresses_keep_the_promise_too),
		cmocka_unit_test(a_hidden_key_does_not_show_the_network),
		cmocka_unit_test(pools_go_by_their_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
