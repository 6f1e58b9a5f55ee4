#include "cmocka_test.h"

#include <math.h>
#include <string.h>

#include "../../tools/penstock-sim/attempts.c"
#include "../../tools/penstock-sim/clairvoyant.c"
#include "../../tools/penstock-sim/cpu.c"
#include "../../tools/penstock-sim/fluid.c"
#include "../../tools/penstock-sim/oracle.c"
#include "../../tools/penstock-sim/queue.c"
#include "../../tools/penstock-sim/retry.c"

static void events_come_in_order_of_time_and_then_of_putting(void **state)
{
	struct queue q;
	struct queue_event e;
	uint64_t before = 0, order = 0, random = 7;
	unsigned taken = 0;

	queue_init(&q, 100);
	for (int i = 0; i < 20000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		queue_put(&q, (random >> 33) % 100000000 / 7 * 7, 1, (uint32_t)i);
	}
	queue_put(&q, UINT64_C(500000000), 1, 0); /* past the end: never */
	while (queue_take(&q, &e)) {
		assert_true(e.at_us > before || (e.at_us == before && e.order >= order));
		before = e.at_us;
		order = e.order;
		if (taken < 5000) /* into what is near, and into what is far */
			queue_put(&q, e.at_us + (taken % 2 ? 10 : 30000000), 1, 0);
		taken++;
	}
	assert_in_range(taken, 20000, 25000);
	queue_done(&q);
}

static void two_jobs_share_a_core_and_one_has_it_alone_then(void **state)
{
	struct cpu_config config = { .cores = 1, .machine_cores = 1 };
	struct cpu cpu;
	struct cpu_job job;

	cpu_init(&cpu, &config);
	cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = 1 });
	assert_int_equal(cpu.next_us, 10000);
	/* 1 has 5 ms left: at half speed 10 ms */
	cpu_put(&cpu, 5000, 0.020, (struct cpu_job){ .id = 2 });
	assert_near((int)cpu.next_us, 15000, 1);
	assert_true(cpu_take(&cpu, cpu.next_us, &job));
	assert_int_equal(job.id, 1);
	cpu_finished(&cpu, &job);
	assert_near((int)cpu.next_us, 30000, 2); /* 15 ms of its own left */
	cpu_done(&cpu);
}

static void a_knee_wastes_and_a_neighbour_takes(void **state)
{
	struct cpu_config config = { .cores = 2, .machine_cores = 2, .knee = 2, .thrash = 0.5 };
	struct cpu cpu;

	cpu_init(&cpu, &config);
	for (uint32_t i = 0; i < 4; i++)
		cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = i });
	/* Half a core each, and two over the knee: half of that is of use. */
	assert_near((int)cpu.next_us, 40000, 2);
	cpu_done(&cpu);
	config.knee = 0;
	cpu_init(&cpu, &config);
	cpu.neighbour = 1;
	cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = 0 });
	assert_near((int)cpu.next_us, 10000, 2);
	cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = 1 });
	assert_true(cpu.next_us > 19000);
	cpu_done(&cpu);
}

/* The filter's control group gets as much as the server's, however many jobs that has. */
static void each_control_group_gets_its_half(void **state)
{
	struct cpu_config config = { .cores = 1, .machine_cores = 1, .by_group = true };
	struct cpu cpu;
	struct cpu_job job;

	cpu_init(&cpu, &config);
	for (uint32_t i = 0; i < 4; i++)
		cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = i });
	assert_near((int)cpu.next_us, 40000, 2);
	cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = 9, .apart = true });
	assert_near((int)cpu.next_us, 20000, 2);
	assert_true(cpu_take(&cpu, cpu.next_us, &job));
	assert_int_equal(job.id, 9);
	cpu_finished(&cpu, &job);
	assert_near((int)cpu.next_us, 50000, 2); /* an eighth each at first, then a quarter */
	cpu_done(&cpu);
	config.by_group = false;
	cpu_init(&cpu, &config);
	for (uint32_t i = 0; i < 4; i++)
		cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = i });
	cpu_put(&cpu, 0, 0.010, (struct cpu_job){ .id = 9, .apart = true });
	assert_near((int)cpu.next_us, 50000, 2);
	cpu_done(&cpu);
}

static void senders_retry_as_the_table_says(void **state)
{
	assert_near(retry_next_s(RETRY_POSTFIX, 1, 0), 300, 0.1);
	assert_near(retry_next_s(RETRY_POSTFIX, 3, 1000), 2000, 0.1);
	assert_near(retry_next_s(RETRY_POSTFIX, 9, 100000), 104000, 0.1);
	assert_near(retry_next_s(RETRY_EXIM, 1, 0), 900, 0.1);
	assert_true(retry_next_s(RETRY_EXIM, 20, 8 * HOUR) > 8 * HOUR);
	assert_near(retry_next_s(RETRY_EXIM, 30, 20 * HOUR), 26 * HOUR, 0.1);
	assert_near(retry_next_s(RETRY_QMAIL, 3, 1600), 3600, 0.1);
	assert_near(retry_next_s(RETRY_GMAIL, 2, 6 * MINUTE), 29 * MINUTE, 0.1);
	assert_near(retry_next_s(RETRY_HOTMAIL, 9, 20 * MINUTE), 24 * MINUTE, 0.1);
	assert_true(retry_next_s(RETRY_AOL, 5, 31 * MINUTE) < 0);
	assert_true(retry_next_s(RETRY_APP, 1, 0) < 0);
	/* Every sender gives up in the end, within its stated patience. */
	for (int i = 0; i < RETRY__COUNT; i++) {
		double age = 0, next;
		unsigned tries = 1;

		while ((next = retry_next_s((enum retry)i, tries, age)) >= 0) {
			assert_true(next > age);
			age = next;
			assert_true(++tries < 10000);
		}
		assert_true(age <= retry_patience_s((enum retry)i) * 1.001);
		assert_int_equal(retry_by_name(retry_name((enum retry)i)), i);
	}
}

static void the_oracle_serves_whom_time_is_short_for(void **state)
{
	uint32_t patient[20] = { 10 }, hasty[20] = { 5 };
	double capacity[20];
	struct oracle_class both[] = { { patient, 100 }, { hasty, 4 } };

	for (int i = 0; i < 20; i++)
		capacity[i] = 1;
	assert_int_equal(oracle_lost(both, 2, capacity, 20), 0); /* the five first */
	hasty[0] = 8;
	assert_int_equal(oracle_lost(both, 2, capacity, 20), 3); /* five seconds, five of eight */
	hasty[0] = 5;
	patient[1] = 3;
	both[0].patience_s = 2; /* 5 hasty in 5 s, 13 patient in 3 and 4 s */
	assert_int_equal(oracle_lost(both, 2, capacity, 20), 13);
	capacity[3] = 100; /* second 0..2: patient by their deadline, then all that is left */
	assert_int_equal(oracle_lost(both, 2, capacity, 20), 7);
}

static void no_client_is_served_before_it_asks(void **state)
{
	static uint32_t postfix[4000], exim[4000];
	static double capacity[4000];
	struct attempts_class both[] = { { postfix, RETRY_POSTFIX }, { exim, RETRY_EXIM } };

	(void)state;
	for (int i = 0; i < 4000; i++)
		capacity[i] = 1;
	postfix[0] = 1;
	assert_near(attempts_age(both, 2, capacity, 4000, .999), -1, 0); /* at once */
	exim[0] = 1; /* it would come back after 900 s, the other after 300: that one waits */
	assert_near(attempts_age(both, 2, capacity, 4000, .999), 300, 16);
	postfix[0] = 0;
	exim[0] = 2; /* as a fluid it would be a second */
	assert_near(attempts_age(both, 2, capacity, 4000, .999), 900, 46);
}

static void the_fluid_drains(void **state)
{
	static uint32_t arrived[10000];
	static double capacity[10000];
	struct fluid fluid;

	/* control.md: base 70 of 100, ten times that for 100 s: 20 times as long to drain. */
	for (int i = 0; i < 10000; i++) {
		arrived[i] = i >= 1000 && i < 1100 ? 700 : 70;
		capacity[i] = 100;
	}
	fluid_bound(arrived, capacity, 10000, &fluid);
	assert_near(fluid.backlog_max, 60000, 1);
	assert_near(fluid.drain_s, 2100, 10);
	assert_near(fluid.ordered_s, 600, 1);
	for (int i = 0; i < 10000; i++)
		arrived[i] = 70;
	fluid_bound(arrived, capacity, 10000, &fluid);
	assert_near(fluid.drain_s, 0, 0.001);
}

/* `ticks` of a plant that can work on `per_s` messages, with `places` for sessions of
 * `session_s`. */
static void lay_out(struct clairvoyant_tick *tick, uint32_t ticks, double per_s, double places,
		    double session_s)
{
	for (uint32_t i = 0; i < ticks; i++)
		tick[i] = (struct clairvoyant_tick){ .jobs = (float)(per_s / 10),
						     .places = (float)places,
						     .session_s = (float)session_s };
}

static void come(struct clairvoyant_tick *tick, uint32_t from, uint32_t to, uint32_t each)
{
	for (uint32_t i = from; i < to; i++) {
		tick[i].arrived = each;
		tick[i].size = (float)each;
	}
}

static void a_clairvoyant_queues_up_to_the_objective(void **state)
{
	static struct clairvoyant_tick tick[1000];
	static uint32_t refused[1000];

	/* 40 a second at a server of 10 for 3 s: a backlog of 90, and each waits up to 9 s:
	 * sessions take a second, 9 are left to wait. */
	lay_out(tick, 1000, 10, 1000, 1);
	come(tick, 0, 30, 4);
	assert_int_equal(clairvoyant_refused(tick, 1000, refused), 0);
	/* For 4 s: 160 came, 10 a second are served until 9 s after the last: 130. */
	come(tick, 0, 40, 4);
	assert_near((int)clairvoyant_refused(tick, 1000, refused), 30, 3);
	assert_int_equal(refused[20], 0);
	assert_true(refused[39] > 0);
	/* The run ends with the load: those who wait have not been served. */
	assert_near((int)clairvoyant_refused(tick, 40, refused), 120, 3);
}

static void a_clairvoyant_keeps_a_queue_short_that_would_stand(void **state)
{
	static struct clairvoyant_tick tick[1000];
	static uint32_t refused[1000];

	/* Twice what it can do, for 50 s. From the sixth second on no client waits for more than a
	 * second: of 1000 it serves 10 a second, and those of one second more. */
	lay_out(tick, 1000, 10, 1000, 0);
	come(tick, 0, 500, 2);
	assert_near((int)clairvoyant_refused(tick, 1000, refused), 1000 - 510, 3);
	/* 1.05 times is chance: there the queue may come up to the objective, and has not after 50
	 * s (25 of 10 a second). */
	for (int i = 0; i < 500; i++)
		tick[i].arrived = 1, tick[i].size = 1.05F;
	assert_int_equal(clairvoyant_refused(tick, 1000, refused), 0);
}

static void a_clairvoyant_cannot_save_what_is_idle(void **state)
{
	static struct clairvoyant_tick tick[400];
	static uint32_t refused[400];

	/* Nothing for 10 s, then 300 at once: 10 a second for 10 s (sessions of no length), and
	 * those of one tick. */
	lay_out(tick, 400, 10, 1000, 0);
	come(tick, 100, 101, 300);
	assert_near((int)clairvoyant_refused(tick, 400, refused), 200, 2);
	assert_int_equal(refused[100], clairvoyant_refused(tick, 400, refused));
}

static void a_clairvoyant_greets_within_two_seconds(void **state)
{
	static struct clairvoyant_tick tick[400];
	static uint32_t refused[400];

	/* Ten slots, sessions of a second: 10 a second, however fast the CPU is. 20 a second for 10
	 * s: in front stand 20 at most. */
	lay_out(tick, 400, 1000, 10, 1);
	come(tick, 0, 100, 2);
	assert_near((int)clairvoyant_refused(tick, 400, refused), 200 - 100 - 20, 3);
}

static void a_clairvoyant_pays_for_processes(void **state)
{
	static struct clairvoyant_tick tick[1000];
	static uint32_t refused[1000];

	/* A process costs as much as a message: of 10 jobs a second, the sessions of the first
	 * second take 5 processes and 5 messages; then each in flight has one. 10 a second: the
	 * backlog of the onset stays below the objective. */
	lay_out(tick, 1000, 10, 1000, 0.5);
	for (int i = 0; i < 1000; i++)
		tick[i].fork_jobs = 1;
	come(tick, 0, 900, 1);
	assert_int_equal(clairvoyant_refused(tick, 1000, refused), 0);
	/* At twice the capacity it forks no process for waiting messages: except at the onset, it
	 * gets as many through as without that cost. */
	come(tick, 0, 900, 2);
	assert_near((int)clairvoyant_refused(tick, 1000, refused), 1800 - 900 - 10 + 5, 8);
	/* Sizes count: half as large, twice as many. */
	for (int i = 0; i < 900; i++)
		tick[i].size = 1;
	assert_in_range(clairvoyant_refused(tick, 1000, refused), 0, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_in_order_of_time_and_then_of_putting),
		cmocka_unit_test(two_jobs_share_a_core_and_one_has_it_alone_then),
		cmocka_unit_test(a_knee_wastes_and_a_neighbour_takes),
		cmocka_unit_test(each_control_group_gets_its_half),
		cmocka_unit_test(senders_retry_as_the_table_says),
		cmocka_unit_test(the_oracle_serves_whom_time_is_short_for),
		cmocka_unit_test(no_client_is_served_before_it_asks),
		cmocka_unit_test(the_fluid_drains),
		cmocka_unit_test(a_clairvoyant_queues_up_to_the_objective),
		cmocka_unit_test(a_clairvoyant_keeps_a_queue_short_that_would_stand),
		cmocka_unit_test(a_clairvoyant_cannot_save_what_is_idle),
		cmocka_unit_test(a_clairvoyant_greets_within_two_seconds),
		cmocka_unit_test(a_clairvoyant_pays_for_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
