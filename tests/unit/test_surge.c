/* When the load jumps, what steers the window is read at every tick for a second. */
#include "cmocka_test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "sensor/sensor.h"
#include "sensor/surge.h"

#define TICK_US 100000u
#define SERVICES 2

struct world {
	struct surge surge;
	struct load load;
	uint64_t now_us;
};

/* One tick with so many new connections: whether it is a surge. */
static bool tick(struct world *w, unsigned fresh)
{
	w->now_us += TICK_US;
	w->load.service[1].offered += fresh;
	return surge_step(&w->surge, &w->load, SERVICES, w->now_us);
}

static void open_world(struct world *w, unsigned usual)
{
	memset(w, 0, sizeof(*w));
	w->now_us = 1000000;
	w->load.service[1].offered = 123456; /* counted before the start */
	for (int i = 0; i < 100; i++)
		assert_false(tick(w, usual));
}

static void a_jump_lasts_for_a_second(void **state)
{
	struct world w;

	open_world(&w, 4);
	for (int i = 0; i < 10; i++)
		assert_true(tick(&w, i ? 0 : 10));
	assert_false(tick(&w, 0));
}

static void chance_is_no_jump(void **state)
{
	static const unsigned few[] = { 7, 0, 7, 1, 0, 7 };
	struct world w;

	open_world(&w, 0);
	for (unsigned i = 0; i < 6; i++)
		assert_false(tick(&w, few[i]));
	open_world(&w, 100);
	for (int i = 0; i < 100; i++)
		assert_false(tick(&w, i % 2 ? 140 : 60));
}

static void what_lasts_becomes_usual(void **state)
{
	struct world w;
	int ticks = 0;

	open_world(&w, 4);
	while (tick(&w, 40) && ticks < 100)
		ticks++;
	assert_in_range(ticks, 10, 40);
	for (int i = 0; i < 100; i++)
		assert_false(tick(&w, 40));
}

static void the_first_who_waits_is_a_jump(void **state)
{
	struct world w;

	open_world(&w, 4);
	w.load.service[0].held = 1;
	for (int i = 0; i < 10; i++)
		assert_true(tick(&w, 4));
	assert_false(tick(&w, 4)); /* the same still waits */
}

static void a_reset_counter_is_no_jump(void **state)
{
	struct world w;

	open_world(&w, 4);
	w.load.service[1].offered = 0;
	assert_false(tick(&w, 50));
}

/* Polls of the sensor of the CPUs in ten ticks without pressure. */
static uint64_t polls(struct registry *registry, struct load *load, uint64_t *now_us)
{
	const struct sensor_status *status = NULL;
	uint64_t before;

	for (unsigned i = 0; i < registry_count(registry); i++)
		if (strcmp(registry_status(registry, i)->name, "cpu") == 0)
			status = registry_status(registry, i);
	assert_non_null(status);
	before = status->polls;
	for (int i = 0; i < 10; i++) {
		struct sample sample;

		*now_us += TICK_US;
		sample_clear(&sample, *now_us);
		registry_poll(registry, *now_us, URGENCY_IDLE, &sample, load);
	}
	return status->polls - before;
}

static void it_is_read_at_every_tick(void **state)
{
	struct config config;
	struct sensor_env env = { .sys_fd = -1, .cgroup_fd = -1, .config = &config };
	struct load load = { 0 };
	struct registry *registry;
	uint64_t now_us = 1000000;

	config_defaults(&config);
	config.services = 1;
	env.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(env.proc_fd >= 0);
	assert_int_equal(registry_open(&env, &registry), 0);
	for (int i = 0; i < 3; i++)
		polls(registry, &load, &now_us);
	assert_in_range(polls(registry, &load, &now_us), 0, 5);
	load.service[0].offered += 50;
	/* The tick that sees the jump may be one in which it is not due. */
	assert_in_range(polls(registry, &load, &now_us), 9, 10);
	polls(registry, &load, &now_us);
	assert_in_range(polls(registry, &load, &now_us), 0, 5);
	registry_close(registry);
	close(env.proc_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_lasts_for_a_second),
		cmocka_unit_test(chance_is_no_jump),
		cmocka_unit_test(what_lasts_becomes_usual),
		cmocka_unit_test(the_first_who_waits_is_a_jump),
		cmocka_unit_test(a_reset_counter_is_no_jump),
		cmocka_unit_test(it_is_read_at_every_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
