#include "cmocka_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/warmstart.h"

#define NOW UINT64_C(1800000000000000)

static void engine_of(struct engine *engine, const char *first, const char *second)
{
	struct engine_config config = { .cores = 2, .epoch_us = 60000000, .services = 2 };

	config.window.cores = 2;
	config.window.min = 4;
	memcpy(config.service[0].name, first, strlen(first));
	memcpy(config.service[1].name, second, strlen(second));
	engine_init(engine, &config, 1);
}

static struct warmstart warm_of(double capacity)
{
	struct warmstart warm = { .realtime_us = NOW, .cores = 2 };

	memcpy(warm.name[1], "mx", 2);
	warm.connect_220_base_us = 20000;
	warm.filter_cost_s = 0.04;
	warm.service[1] = (struct window_warm){ .capacity_per_s = capacity,
						.cpu_per_job_s = 0.01,
						.trust = 1 };
	warm.senders.gone[3][7] = 20;
	return warm;
}

static void a_service_finds_its_figures_by_name(void **state)
{
	static struct engine engine;
	struct warmstart warm = warm_of(123);

	engine_of(&engine, "mx", "submission");
	warmstart_restore(&warm, &engine, NULL);
	assert_near(engine.window[0].capacity.per_s, 123, 0.001);
	assert_near(engine.window[1].capacity.per_s, 0, 0.001);
	assert_near(engine.pressure.connect_220_base_us, 20000, 0.001);
	assert_near(engine.second_stage.cost_s, 0.04, 1e-9);
	engine_of(&engine, "other", "m");
	warmstart_restore(&warm, &engine, NULL);
	assert_near(engine.window[0].capacity.per_s, 0, 0.001);
	engine_of(&engine, "mx", "x");
	warm = warm_of((double)NAN);
	warmstart_restore(&warm, &engine, NULL);
	assert_near(engine.window[0].capacity.per_s, 0, 0.001); /* no sense: not taken */
}

static void old_or_foreign_figures_are_not_used(void **state)
{
	struct warmstart warm = warm_of(100);

	assert_int_equal(warmstart_check(&warm, NOW, 2), 0);
	assert_int_equal(warmstart_check(&warm, NOW + UINT64_C(86400000000), 2), 0);
	assert_int_equal(warmstart_check(&warm, NOW + 31 * UINT64_C(86400000000), 2), -ESTALE);
	assert_int_equal(warmstart_check(&warm, NOW - UINT64_C(86400000000), 2), -ESTALE);
	assert_int_equal(warmstart_check(&warm, NOW, 4), -EXDEV);
	warm.cores = (double)NAN;
	assert_int_equal(warmstart_check(&warm, NOW, 2), -EXDEV);
}

static struct source_table *empty_table(void)
{
	const struct source_config config = { .ledger_bytes = 64 << 10,
					      .rate_bytes = 64 << 10,
					      .cores = 2 };
	const uint64_t seed[2] = { 1, 2 };
	void *block = NULL;

	assert_int_equal(posix_memalign(&block, 64, source_size(&config)), 0);
	return source_init(block, &config, seed);
}

static void what_is_saved_is_restored(void **state)
{
	static struct engine before, after;
	struct source_table *senders = empty_table(), *later = empty_table();
	struct warmstart warm = warm_of(123), kept;
	struct source_learned learned;

	engine_of(&before, "mx", "submission");
	warmstart_restore(&warm, &before, senders);
	before.window[0].rates.jobs = 1000; /* else what it has is a guess */
	warmstart_save(&before, senders, NOW, 2, &kept);
	assert_int_equal(warmstart_check(&kept, NOW, 2), 0);
	engine_of(&after, "submission", "mx");
	warmstart_restore(&kept, &after, later);
	source_save(later, &learned);
	assert_near(learned.gone[3][7], 20, 0);
	free(senders);
	free(later);
	assert_near(after.window[1].capacity.per_s, 123, 0.001);
	assert_near(after.window[0].capacity.per_s, 0, 0.001);
	assert_near(after.pressure.connect_220_base_us, 20000, 0.001);
	assert_near(after.second_stage.cost_s, 0.04, 1e-9);
}

static void what_is_put_is_there_after_closing(void **state)
{
	char directory[] = "/tmp/penstock-warm-XXXXXX", path[64];
	struct warmstart_file *file;
	struct warmstart warm = warm_of(77), got;
	int fd;

	assert_non_null(mkdtemp(directory));
	assert_int_equal(warmstart_load(directory, NOW, 2, &got), -ENOENT);
	assert_int_equal(warmstart_open(directory, &file), 0);
	warmstart_close(file); /* nothing was put: nothing is written */
	assert_int_equal(warmstart_load(directory, NOW, 2, &got), -ENOENT);
	assert_int_equal(warmstart_open(directory, &file), 0);
	warmstart_put(file, &warm);
	warmstart_close(file);
	assert_int_equal(warmstart_load(directory, NOW, 2, &got), 0);
	assert_near(got.service[1].capacity_per_s, 77, 0);
	assert_near(got.senders.gone[3][7], 20, 0);
	snprintf(path, sizeof(path), "%s/learned", directory);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "x", 1, 100), 1);
	close(fd);
	assert_int_equal(warmstart_load(directory, NOW, 2, &got), -EBADMSG);
	assert_int_equal(warmstart_load(directory, NOW, 2, &got), -ENOENT); /* set aside */
	snprintf(path, sizeof(path), "%s/learned.corrupt", directory);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(warmstart_open(directory, &file), -ENOENT);
}

/* ---- shed = last ---------------------------------------------------------------------------- */

/* Two services that refuse most of what comes, each with so many jobs done a second and so many
 * sessions busy. */
static struct plan overloaded(enum plan_shed first, enum plan_shed second, unsigned jobs,
			      unsigned busy)
{
	static struct engine engine;
	struct engine_config config = { .cores = 1, .epoch_us = 60000000, .services = 2 };
	struct load load = { 0 };
	struct sample sample;
	struct plan plan;

	config.window.cores = 1;
	config.window.min = 4;
	config.service[0].shed = first;
	config.service[1].shed = second;
	engine_init(&engine, &config, 1);
	for (unsigned i = 0; i < 600; i++) {
		sample_clear(&sample, 1000000 + i * UINT64_C(100000));
		sample_put(&sample, SIGNAL_CPU_STALL_RATIO, 1, VIA_PSI);
		sample_put(&sample, SIGNAL_CPU_BUSY_RATIO, 1, VIA_PROCFS);
		for (int s = 0; s < 2; s++) {
			struct load_service *l = &load.service[s];

			l->known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY |
				   LOAD_UNGREETED;
			l->offered += 20;
			l->deferred += 15;
			l->admitted += 5;
			l->completed = (uint64_t)i * jobs / 10;
			l->finished = l->completed;
			l->busy_us += 100000 * busy;
			l->in_flight = l->busy = busy;
		}
		engine_step(&engine, &sample, &load, 0, &plan);
	}
	return plan;
}

static void the_last_is_shed_when_all_else_is(void **state)
{
	struct plan plan = overloaded(PLAN_SHED_YES, PLAN_SHED_LAST, 80, 12);

	/* the first has something left to give */
	assert_true(plan.service[0].window > 4 && plan.service[0].window != PLAN_UNLIMITED);
	assert_int_equal(plan.service[1].window, PLAN_UNLIMITED);
	assert_int_equal(plan.service[1].rate_milli, PLAN_UNLIMITED);
	plan = overloaded(PLAN_SHED_YES, PLAN_SHED_LAST, 1, 60);
	assert_int_equal(plan.service[0].window, 4);
	assert_int_equal(plan.service[1].window, 4);
	/* with none before it, it is one like any other */
	plan = overloaded(PLAN_SHED_NO, PLAN_SHED_LAST, 1, 60);
	assert_int_equal(plan.service[1].window, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_finds_its_figures_by_name),
		cmocka_unit_test(old_or_foreign_figures_are_not_used),
		cmocka_unit_test(what_is_saved_is_restored),
		cmocka_unit_test(what_is_put_is_there_after_closing),
		cmocka_unit_test(the_last_is_shed_when_all_else_is),
	};

	return cmocka_run_group_tests_name("warmstart", tests, NULL, NULL);
}
