/* The mail server's control group and its neighbours, in cgroup2 and in v1: which one it is, and
 * what the sensors read of it. */
#include "cmocka_test.h"

#include <time.h>

#include "config/config.h"
#include "groups_world.h"
#include "sensor/mta.h"
#include "sensor/neighbours.h"
#include "sensor/sensors.h"
#include "sensor/worker.h"

static struct config config;

static struct sensor_env env_of(const char *cgroup)
{
	config_defaults(&config);
	snprintf(config.service[0].cgroup, sizeof(config.service[0].cgroup), "%s", cgroup);
	return (struct sensor_env){
		.proc_fd = proc_fd, .sys_fd = -1, .cgroup_fd = root_fd, .config = &config
	};
}

static void make_mail(void)
{
	make_group("system.slice");
	make_group("system.slice/postfix.service");
	put("system.slice/memory.current", "800000000\n");
	put("system.slice/memory.stat", "inactive_file 0\nactive_file 0\n");
	put("system.slice/memory.max", "1000000000\n");
	put("system.slice/memory.high", "max\n");
	put("system.slice/postfix.service/memory.current", "300000000\n");
	put("system.slice/postfix.service/memory.stat",
	    "inactive_file 60000000\nactive_file 40000000\n");
	put("system.slice/postfix.service/memory.max", "max\n");
	put("system.slice/postfix.service/memory.high", "250000000\n");
	put("system.slice/postfix.service/io.stat", "8:0 rbytes=0 wbytes=1000 rios=0 wios=1\n");
	put("system.slice/postfix.service/cpu.stat", "usage_usec 1000\n");
	put("system.slice/postfix.service/cgroup.procs", "");
}

static void the_mail_servers_group_by_name(void **state)
{
	struct sensor_env env = env_of("system.slice/postfix.service");
	struct mta m;

	make_mail();
	mta_find(&env, &m);
	assert_int_equal(m.count, 1);
	assert_string_equal(m.group[0].unified, "./system.slice/postfix.service");
	assert_string_equal(m.group[0].memory[0], "./system.slice/postfix.service");
	assert_string_equal(m.group[0].memory[1], "./system.slice");
	assert_string_equal(m.group[0].io, "./system.slice/postfix.service");
	assert_false(m.group[0].memory_v1 || m.group[0].io_v1);
	env = env_of("no.such.service");
	mta_find(&env, &m);
	assert_int_equal(m.count, 0);
	assert_non_null(strstr(m.why, "does not exist"));
}

static void dirty_the_stack(int with)
{
	volatile char garbage[64 * 1024];

	for (size_t i = 0; i < sizeof(garbage); i++)
		garbage[i] = (char)with;
}

/* What is found twice is equal byte by byte, or every look would be taken for a change, and
 * rates begun again each time. */
static void the_same_group_is_no_change(void **state)
{
	struct sensor_env env = env_of("system.slice/postfix.service");
	struct mta first, second;

	make_mail();
	dirty_the_stack(0x55);
	mta_find(&env, &first);
	dirty_the_stack(0x77);
	mta_find(&env, &second);
	assert_memory_equal(first.group, second.group, sizeof(first.group));
}

static void several_services_in_groups_of_their_own(void **state)
{
	struct sensor_env env = env_of("system.slice/postfix.service");
	struct mta m;

	make_mail();
	make_group("system.slice/submission.service");
	config.services = 3;
	config.service[1] = config.service[2] = config.service[0];
	strcpy(config.service[1].cgroup, "/system.slice/submission.service");
	mta_find(&env, &m);
	/* The third shares the first's group, which counts once. */
	assert_int_equal(m.count, 2);
	assert_int_equal(m.group[1].service, 1);
	assert_string_equal(m.group[1].unified, "./system.slice/submission.service");
}

static void end_worker(struct worker *worker)
{
	assert_true(worker_end(worker, 60000000));
	worker_close(worker);
}

/* The sensor of control groups, once it has found the mail server's. Its first sample is of 1 s. */
static void *open_cgroup(struct sensor_env *env, struct sample *ret_sample)
{
	const struct timespec pause = { 0, 10000000 };
	struct load load;
	char why[SENSOR_WHY_MAX] = "";
	void *cgroup = NULL;
	int tries = 0;

	assert_int_equal(worker_open(&env->worker), 0);
	assert_int_equal(mta_watch_open(env, &env->mta, why), 0);
	assert_int_equal(sensor_cgroup.open(env, &cgroup, why), 0);
	do {
		nanosleep(&pause, NULL);
		sample_clear(ret_sample, 1000000);
		assert_int_equal(sensor_cgroup.poll(cgroup, 1000000, ret_sample, &load, why), 0);
	} while (!sample_has(ret_sample, SIGNAL_MTA_MEM_BYTES) && tries++ < 3000);
	return cgroup;
}

/* The sensor over the tree: the nearest limit above counts, memory.high is one. */
static void its_memory_and_io(void **state)
{
	struct sensor_env env = env_of("system.slice/postfix.service");
	struct sample sample;
	struct load load;
	char why[SENSOR_WHY_MAX] = "";
	void *cgroup;

	make_mail();
	cgroup = open_cgroup(&env, &sample);
	assert_near(sample.value[SIGNAL_MTA_MEM_BYTES], 200e6, 1);
	assert_near(sample.value[SIGNAL_MTA_MEM_USED_RATIO], 0.8, 1e-6);
	assert_near(sample.value[SIGNAL_MTA_MEM_LIMIT_BYTES], 250e6, 1);
	assert_true(sample.value[SIGNAL_MEM_AVAILABLE_BYTES] <= 50e6);
	put("system.slice/postfix.service/io.stat",
	    "8:0 rbytes=0 wbytes=5001000 rios=0 wios=101\n");
	sample_clear(&sample, 2000000);
	assert_int_equal(sensor_cgroup.poll(cgroup, 2000000, &sample, &load, why), 0);
	assert_near(sample.value[SIGNAL_MTA_IO_BYTES_PER_S], 5e6, 1);
	assert_near(sample.value[SIGNAL_MTA_IOS_PER_S], 100, 1e-6);
	sensor_cgroup.close(cgroup);
	mta_watch_close(env.mta);
	end_worker(env.worker);
}

/* The whole thread over a cgroup2 tree: the mail server is not its own neighbour. */
static void neighbours_in_cgroup2(void **state)
{
	struct sensor_env env = env_of("system.slice/postfix.service");
	const struct timespec pause = { 0, 50000000 };
	struct neighbour_watch *watch = NULL;
	struct neighbours seen = { 0 };
	char why[SENSOR_WHY_MAX] = "", io[80];
	int tries = 0;

	make_mail();
	make_group("system.slice/backup.service");
	put("system.slice/backup.service/memory.current", "150000000\n");
	put("system.slice/backup.service/memory.stat", "anon 150000000\n");
	put("system.slice/postfix.service/memory.stat", "anon 290000000\n");
	put("system.slice/memory.stat", "anon 440000000\n");
	assert_int_equal(worker_open(&env.worker), 0);
	assert_int_equal(mta_watch_open(&env, &env.mta, why), 0);
	assert_int_equal(neighbour_watch_open(&env, &watch, why), 0);
	do {
		nanosleep(&pause, NULL);
		neighbour_watch_read(watch, &seen);
	} while (!(seen.who[RESOURCE_MEMORY].known && seen.mail_unit[0]) && tries++ < 600);
	assert_string_equal(seen.mail_unit, "postfix.service");
	assert_string_equal(seen.who[RESOURCE_MEMORY].unit, "backup.service");
	assert_string_equal(seen.who[RESOURCE_MEMORY].path, "/system.slice/backup.service");
	assert_near(seen.who[RESOURCE_MEMORY].use, 150e6, 1);
	assert_near(seen.who[RESOURCE_MEMORY].share, 1, 1e-6);
	/* 100 requests of 1 KB more at each look cost more than their bytes. */
	tries = 0;
	do {
		snprintf(io, sizeof(io), "8:0 rbytes=0 wbytes=%d00000 rios=0 wios=%d00\n",
			 1 + tries, 1 + tries);
		put("system.slice/postfix.service/io.stat", io);
		nanosleep(&pause, NULL);
		neighbour_watch_read(watch, &seen);
	} while (seen.mail_io <= 0 && tries++ < 600);
	assert_true(seen.mail_io > 0);
	neighbour_watch_close(watch);
	mta_watch_close(env.mta);
	end_worker(env.worker);
}

/* A host with cgroup v1 and a container of docker: only v1 has the server's group. */
static struct sensor_env v1_env(bool hybrid)
{
	struct sensor_env env = env_of("docker/mail");

	unlinkat(root_fd, "cgroup.controllers", 0);
	if (hybrid) {
		make_group("unified");
		put("unified/cgroup.procs", "1\n");
		put("unified/cpu.stat", "usage_usec 1\n");
	}
	for (int i = 0; i < 4; i++) {
		static const char *const controllers[] = { "cpuacct", "cpu", "memory", "blkio" };
		char path[64];

		snprintf(path, sizeof(path), "%s", controllers[i]);
		make_group(path);
		snprintf(path, sizeof(path), "%s/docker", controllers[i]);
		make_group(path);
		snprintf(path, sizeof(path), "%s/docker/mail", controllers[i]);
		make_group(path);
		snprintf(path, sizeof(path), "%s/docker/mail/cgroup.procs", controllers[i]);
		put(path, "999999\n");
	}
	put("cpuacct/cpuacct.usage", "1000000000\n");
	put("cpuacct/docker/cpuacct.usage", "1000000000\n");
	put("cpuacct/docker/mail/cpuacct.usage", "1000000000\n");
	put("cpu/docker/mail/cpu.cfs_quota_us", "150000\n");
	put("cpu/docker/mail/cpu.cfs_period_us", "100000\n");
	put("memory/memory.stat", "total_rss 0\n");
	put("memory/docker/memory.limit_in_bytes", "1000000000\n");
	put("memory/docker/memory.usage_in_bytes", "300000000\n");
	put("memory/docker/memory.stat", "total_inactive_file 0\n");
	put("memory/docker/mail/memory.limit_in_bytes", "9223372036854771712\n");
	put("memory/docker/mail/memory.usage_in_bytes", "300000000\n");
	put("memory/docker/mail/memory.stat",
	    "total_inactive_file 60000000\ntotal_active_file 40000000\n");
	put("blkio/docker/mail/blkio.throttle.io_service_bytes", "");
	make_group("proc");
	make_group("proc/999999");
	put("proc/999999/cgroup", "9:name=systemd:/docker/mail\n4:memory:/docker/mail\n"
				  "3:cpu,cpuacct:/docker/mail\n2:blkio:/docker/mail\n0::/\n");
	env.proc_fd = openat(root_fd, "proc", O_RDONLY | O_DIRECTORY);
	return env;
}

static void the_group_that_only_v1_knows(void **state)
{
	for (int hybrid = 0; hybrid < 2; hybrid++) {
		struct sensor_env env;
		struct mta m;

		if (hybrid) {
			teardown(state);
			setup(state);
		}
		env = v1_env(hybrid);
		mta_find(&env, &m);
		assert_int_equal(m.count, 1);
		assert_string_equal(m.group[0].unified, "");
		assert_string_equal(m.group[0].cpu, "cpuacct/docker/mail");
		assert_string_equal(m.group[0].memory[0], "memory/docker/mail");
		assert_string_equal(m.group[0].memory[1], "memory/docker");
		assert_string_equal(m.group[0].io, "blkio/docker/mail");
		assert_true(m.group[0].cpu_v1 && m.group[0].memory_v1 && m.group[0].io_v1);
		assert_near(m.cores, 1.5, 1e-9);
		close(env.proc_fd);
	}
}

static void its_cpu_and_memory_in_v1(void **state)
{
	struct sensor_env env = v1_env(true);
	struct sample sample;
	struct load load;
	char why[SENSOR_WHY_MAX] = "";
	void *cgroup;

	cgroup = open_cgroup(&env, &sample);
	assert_near(sample.value[SIGNAL_MTA_MEM_BYTES], 200e6, 1);
	assert_false(sample_has(&sample, SIGNAL_MTA_CPU_CORES));
	put("cpuacct/docker/mail/cpuacct.usage", "1750000000\n");
	sample_clear(&sample, 2000000);
	assert_int_equal(sensor_cgroup.poll(cgroup, 2000000, &sample, &load, why), 0);
	assert_near(sample.value[SIGNAL_MTA_CPU_CORES], 0.75, 1e-6);
	/* A file that goes bad is no use of zero. */
	put("cpuacct/docker/mail/cpuacct.usage", "rubbish\n");
	sample_clear(&sample, 3000000);
	assert_int_equal(sensor_cgroup.poll(cgroup, 3000000, &sample, &load, why), 0);
	assert_false(sample_has(&sample, SIGNAL_MTA_CPU_CORES));
	sensor_cgroup.close(cgroup);
	mta_watch_close(env.mta);
	end_worker(env.worker);
	close(env.proc_fd);
}

/* Of two containers beside it the one that uses a core is named by v1's CPU times. */
static void neighbours_in_v1(void **state)
{
	struct sensor_env env = v1_env(true);
	const struct timespec pause = { 0, 50000000 };
	struct neighbour_watch *watch = NULL;
	struct neighbours seen = { 0 };
	char why[SENSOR_WHY_MAX] = "", used[64];
	int tries = 0;

	make_group("cpuacct/docker/backup");
	put("cpuacct/docker/backup/cpuacct.usage", "0\n");
	assert_int_equal(worker_open(&env.worker), 0);
	assert_int_equal(mta_watch_open(&env, &env.mta, why), 0);
	assert_int_equal(neighbour_watch_open(&env, &watch, why), 0);
	do {
		nanosleep(&pause, NULL);
		snprintf(used, sizeof(used), "%d000000000\n", 1 + tries);
		put("cpuacct/cpuacct.usage", used);
		put("cpuacct/docker/cpuacct.usage", used);
		put("cpuacct/docker/backup/cpuacct.usage", used);
		neighbour_watch_read(watch, &seen);
		/* A look between two of these files sees the parent alone. */
	} while (!(strcmp(seen.who[RESOURCE_CPU].unit, "backup") == 0 && seen.mail_unit[0]) &&
		 tries++ < 600);
	assert_string_equal(seen.mail_unit, "mail");
	assert_string_equal(seen.who[RESOURCE_CPU].unit, "backup");
	assert_string_equal(seen.who[RESOURCE_CPU].path, "/docker/backup");
	assert_true(seen.who[RESOURCE_CPU].use > 1);
	neighbour_watch_close(watch);
	mta_watch_close(env.mta);
	end_worker(env.worker);
	close(env.proc_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_mail_servers_group_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_group_is_no_change, setup, teardown),
		cmocka_unit_test_setup_teardown(several_services_in_groups_of_their_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(its_memory_and_io, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbours_in_cgroup2, setup, teardown),
		cmocka_unit_test_setup_teardown(the_group_that_only_v1_knows, setup, teardown),
		cmocka_unit_test_setup_teardown(its_cpu_and_memory_in_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbours_in_v1, setup, teardown),
	};

	return cmocka_run_group_tests_name("mta_group", tests, NULL, NULL);
}
