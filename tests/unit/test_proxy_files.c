/* The files that a proxy shares with penstockd: whose they are when process IDs and numbers of
 * services are the same and mean another thing. */
#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/proxy_counters.h"
#include "proxy/tally.h"
#include "unit/scratch.h"
#include "store/planfile.h"

static char directory[64];

static int set_up(void **state)
{
	return scratch_make(directory);
}

static int tear_down(void **state)
{
	return scratch_remove(directory);
}

static void two_processes_of_one_id_do_not_take_each_others_file(void **state)
{
	struct countsfile first, second;
	struct counts seen = { 0 };

	assert_int_equal(countsfile_open(&first, directory, 0, 7), 0);
	assert_int_equal(countsfile_open(&second, directory, 0, 8), -EEXIST);
	first.counts->errors = 5;
	assert_int_equal(pread(first.fd, &seen, sizeof(seen), 0), sizeof(seen));
	assert_true(counts_are_sane(&seen));
	assert_int_equal(seen.errors, 5);
	assert_int_equal(seen.service_id[COUNTSFILE_BLOCK], 7);
	assert_int_equal(seen.serves, 1);
	assert_int_equal(access(first.path, F_OK), 0);
	assert_int_equal(countsfile_keep(&second, 8), 0);
	assert_int_equal(second.counts->service_id[COUNTSFILE_BLOCK], 8);
	countsfile_close(&second);
	countsfile_close(&first);
}

/* The other one has begun, and its file of counts is not there yet. */
static void a_process_takes_the_next_name_if_another_was_quicker(void **state)
{
	static struct tally t;
	struct eventsfile other, again;
	struct stat before, after;

	assert_int_equal(eventsfile_open(&other, directory, 0), 0);
	assert_int_equal(stat(other.path, &before), 0);
	assert_int_equal(eventsfile_open(&again, directory, 0), -EEXIST);
	snprintf(t.config.run_dir, sizeof(t.config.run_dir), "%s", directory);
	assert_int_equal(tally_open_counts(&t), 0);
	assert_non_null(strstr(t.counts.path, "-1"));
	assert_non_null(strstr(t.events.path, "-1.events"));
	assert_int_equal(stat(other.path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	countsfile_close(&t.counts);
	eventsfile_close(&t.events);
	eventsfile_remove(&other);
	assert_int_equal(access(other.path, F_OK), -1);
}

static void put_file(const char *name, time_t age_s)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - age_s } };
	char path[128];
	FILE *file;

	times[1] = times[0];
	snprintf(path, sizeof(path), "%s/counts/%s", directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/counts/%s", directory, name);
	return access(path, F_OK) == 0;
}

/* Of proxies that were killed while they began, in the run directory of a penstockd that starts. */
static void what_a_killed_proxy_left_is_removed(void **state)
{
	static struct config config;
	struct proxy_counters *proxies;
	char path[128];

	snprintf(path, sizeof(path), "%s/counts", directory);
	assert_int_equal(mkdir(path, 0770), 0);
	put_file("proxy-7.00112233.new", 3600);
	put_file("proxy-7.events.00112233.new", 3600);
	put_file("proxy-7.events", 3600);
	put_file("proxy-8.00112233.new", 0); /* begins now */
	put_file("proxy-8.events", 0);
	put_file("proxy-9", 3600);
	put_file("proxy-9.events", 3600);
	put_file("other", 3600);
	config_defaults(&config);
	snprintf(config.run_dir, sizeof(config.run_dir), "%s", directory);
	proxies = proxy_counters_open(&config);
	assert_non_null(proxies);
	assert_false(is_there("proxy-7.00112233.new"));
	assert_false(is_there("proxy-7.events.00112233.new"));
	assert_false(is_there("proxy-7.events"));
	assert_true(is_there("proxy-8.00112233.new") && is_there("proxy-8.events"));
	assert_true(is_there("proxy-9") && is_there("proxy-9.events") && is_there("other"));
	proxy_counters_close(proxies);
}

/* penstockd has read a configuration with the services in another order. */
static void a_plan_is_found_by_the_name_of_the_service(void **state)
{
	struct plan plan = { .magic = PLAN_MAGIC, .version = PLAN_VERSION, .services = 2 };
	const struct plan_request request = { .now_us = clock_monotonic_us(),
					      .service = PLANVIEW_OWN };
	struct planfile *file;
	struct planview out, gone;
	const struct plan *seen;

	plan.heartbeat_us = request.now_us;
	plan.order = PLAN_DRAIN;
	for (unsigned i = 0; i < 2; i++) {
		plan.service[i].window = 10 + i;
		plan.service_id[i] = plan_service_id(i ? "out" : "mx");
	}
	assert_int_equal(planfile_open(directory, &file), 0);
	planfile_write(file, &plan);
	planview_init(&out, directory, "out");
	planview_init(&gone, directory, "gone");
	seen = planview_get(&out, request.now_us);
	assert_int_equal(seen->services, 1);
	assert_int_equal(seen->service[PLANVIEW_OWN].window, 11);
	assert_false(plan_decide(seen, &request).admit);
	plan.service_id[1] = plan.service_id[0];
	plan.service_id[0] = plan_service_id("out");
	planfile_write(file, &plan);
	assert_int_equal(planview_get(&out, request.now_us)->service[PLANVIEW_OWN].window, 10);
	/* A service that penstockd does not know: it admits, even in a drain. */
	seen = planview_get(&gone, request.now_us);
	assert_int_equal(seen->services, 0);
	assert_int_equal(seen->service[PLANVIEW_OWN].hold_us, 0);
	assert_true(plan_decide(seen, &request).admit);
	assert_true(gone.unknown);
	assert_false(out.unknown);
	planview_done(&out);
	planview_done(&gone);
	planfile_close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			two_processes_of_one_id_do_not_take_each_others_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_process_takes_the_next_name_if_another_was_quicker, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_killed_proxy_left_is_removed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_plan_is_found_by_the_name_of_the_service, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("proxy files", tests, NULL, NULL);
}
