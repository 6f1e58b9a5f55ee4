/* Files of the kernel that are lost, or say what cannot be: every sensor over a tree of plain files
 * that looks like /proc. tests/integration/test_faults_sensors.py shows with three of these cases
 * that mail flows meanwhile. */
#include "cmocka_test.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "sensor/sensor.h"
#include "scratch.h"

#define CONTENT_MAX 4096
#define LINE_BYTES 100000
#define TICK_US 100000
#define START_US 1000000000ull

/* What the kernel says: `a` at one tick, `b` at the next. What is read decides which sensor gives
 * the signal. */
static const struct file {
	const char *path, *a, *b;
	/* that cannot do without it; NULL: several files stand for one sensor, or nothing is
	 * measured */
	const char *sensor;
	enum signal signal; /* that is there while the file is good */
} files[] = {
	{ "pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
	  "some avg10=0.00 avg60=0.00 avg300=0.00 total=2000\n", NULL, SIGNAL_CPU_STALL_RATIO },
	{ "pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
	  "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\n", NULL, SIGNAL_MEM_STALL_RATIO },
	{ "pressure/io", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
	  "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\n", NULL, SIGNAL_IO_STALL_RATIO },
	{ "stat", "cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 10 20 30 400 50 6 7 8 0 0\n",
	  "cpu  12 20 31 410 50 6 7 8 0 0\ncpu0 12 20 31 410 50 6 7 8 0 0\n", "cpu",
	  SIGNAL_CPU_BUSY_RATIO },
	{ "meminfo", "MemTotal: 24604716 kB\nMemFree: 9302358 kB\nMemAvailable: 12302358 kB\n",
	  "MemTotal: 24604716 kB\nMemFree: 9302350 kB\nMemAvailable: 12302350 kB\n", "memory",
	  SIGNAL_MEM_USED_RATIO },
	{ "vmstat", "nr_free_pages 5\nallocstall_normal 7\noom_kill 0\npgscan_direct 9\n",
	  "nr_free_pages 5\nallocstall_normal 8\noom_kill 0\npgscan_direct 9\n", NULL,
	  SIGNAL_OOM_KILLS },
	{ "diskstats", "254 0 vda 100 0 800 50 200 0 1600 70 3 90 120 0 0 0 0 17 34\n",
	  "254 0 vda 110 0 880 55 210 0 1680 75 3 95 130 0 0 0 0 18 36\n", NULL,
	  SIGNAL_DISK_IN_FLIGHT },
	{ "self/net/softnet_stat", "00002670 00000002 0000000a 00000000 00000000\n",
	  "00002680 00000002 0000000a 00000000 00000000\n", NULL, SIGNAL_SOFTNET_DROPS_PER_S },
	{ "self/net/netstat",
	  "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\n",
	  "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\n", NULL,
	  SIGNAL_LISTEN_DROPS_PER_S },
	{ "self/mountinfo", "22 1 254:0 / / rw - ext4 /dev/vda rw\n",
	  "22 1 254:0 / / rw - ext4 /dev/vda rw\n", NULL, SIGNAL__COUNT },
	{ "mounts", "/dev/vda / ext4 rw 0 0\n", "/dev/vda / ext4 rw 0 0\n", NULL, SIGNAL__COUNT },
};

enum rubbish {
	NOTHING,
	LARGEST,
	NEGATIVE,
	ZERO,
	HUGE_EXPONENT,
	HALF,
	NOISE,
	ZERO_BYTES,
	ENDLESS_LINE,
	RUBBISH__COUNT
};

static char root[64];
static int root_fd;

static void put(const char *path, const char *content, size_t size)
{
	char at[256];
	int fd;

	snprintf(at, sizeof(at), "%s/%s", root, path);
	fd = open(at, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	assert_true(fd >= 0 && write(fd, content, size) == (ssize_t)size);
	close(fd);
}

static int setup(void **state)
{
	static const char *const directories[] = { "pressure", "self", "self/net" };
	char at[256];

	if (scratch_make(root) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		snprintf(at, sizeof(at), "%s/%s", root, directories[i]);
		if (mkdir(at, 0700) < 0)
			return -1;
	}
	root_fd = open(root, O_RDONLY | O_DIRECTORY);
	log_set_level(LOG_LEVEL_ERROR); /* each sensor that fails is said in the log */
	return 0;
}

static int teardown(void **state)
{
	close(root_fd);
	return scratch_remove(root);
}

/* Each number of `content` replaced; those that are part of a name or of a fraction stay. */
static size_t replace_numbers(const char *content, const char *with, char *ret)
{
	size_t length = 0;

	for (const char *c = content; *c; c++) {
		bool inside = c > content && (isalnum(c[-1]) || c[-1] == '_' || c[-1] == '.');

		if (!isdigit(*c) || inside) {
			ret[length++] = *c;
			continue;
		}
		length += (size_t)sprintf(ret + length, "%s", with);
		while (isdigit(c[1]))
			c++;
	}
	return length;
}

static void put_rubbish(const struct file *file, enum rubbish kind)
{
	static char text[LINE_BYTES];
	size_t size = 0;
	uint32_t random = 5;

	switch (kind) {
	case NOTHING:
		break;
	case LARGEST:
		size = replace_numbers(file->b, "18446744073709551615", text);
		break;
	case NEGATIVE:
		size = replace_numbers(file->b, "-1", text);
		break;
	case ZERO:
		size = replace_numbers(file->b, "0", text);
		break;
	case HUGE_EXPONENT:
		size = replace_numbers(file->b, "1e400", text);
		break;
	case HALF:
		size = strlen(file->b) / 2;
		memcpy(text, file->b, size);
		break;
	case NOISE:
		for (size = 0; size < CONTENT_MAX; size++)
			text[size] = (char)((random = random * 1664525u + 1013904223u) >> 24);
		break;
	case ZERO_BYTES:
		size = CONTENT_MAX;
		memset(text, 0, size);
		break;
	case ENDLESS_LINE:
		size = sizeof(text);
		memset(text, '9', size);
		break;
	case RUBBISH__COUNT:
		fail();
	}
	put(file->path, text, size);
}

struct world {
	struct config config;
	struct registry *registry;
	struct sample sample;
	uint64_t now_us;
	bool turn;
};

static void put_truth(struct world *w, const struct file *but)
{
	w->turn = !w->turn;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (&files[i] != but)
			put(files[i].path, w->turn ? files[i].b : files[i].a,
			    strlen(w->turn ? files[i].b : files[i].a));
}

/* Every signal that these files gave is a number, and none that cannot be. */
static void poll_once(struct world *w, const char *path, int kind)
{
	struct load load = { 0 };

	w->now_us += TICK_US;
	sample_clear(&w->sample, w->now_us);
	registry_poll(w->registry, w->now_us, URGENCY_URGENT, &w->sample, &load);
	for (int s = 0; s < SIGNAL__COUNT; s++) {
		const struct signal_info *info = &signal_info[s];
		double value = w->sample.value[s];

		if (!sample_has(&w->sample, (enum signal)s))
			continue;
		if (!isfinite(value) || value < 0)
			fail_msg("%s is %g after rubbish %d in %s", info->name, value, kind, path);
		if (info->unit == UNIT_RATIO && value > 1 &&
		    (w->sample.via[s] == VIA_PROCFS || w->sample.via[s] == VIA_PSI))
			fail_msg("%s is %g after rubbish %d in %s", info->name, value, kind, path);
	}
}

static void open_world(struct world *w)
{
	struct sensor_env env = {
		.proc_fd = root_fd, .sys_fd = -1, .cgroup_fd = -1, .config = &w->config
	};

	memset(w, 0, sizeof(*w));
	config_defaults(&w->config);
	w->now_us = START_US;
	put_truth(w, NULL);
	assert_int_equal(registry_open(&env, &w->registry), 0);
	for (int i = 0; i < 4; i++) {
		put_truth(w, NULL);
		poll_once(w, "none", 0);
	}
}

static const struct sensor_status *status_of(const struct world *w, const char *sensor)
{
	for (unsigned i = 0; i < registry_count(w->registry); i++)
		if (strcmp(registry_status(w->registry, i)->name, sensor) == 0)
			return registry_status(w->registry, i);
	fail_msg("there is no sensor %s", sensor);
	return NULL;
}

/* What was left out for a while is asked again, and its signal is there. */
static void comes_back(struct world *w, const struct file *file)
{
	if (file->signal == SIGNAL__COUNT)
		return;
	for (int i = 0; i < 4000; i++) {
		put_truth(w, NULL);
		poll_once(w, file->path, -1);
		if (sample_has(&w->sample, file->signal))
			return;
		w->now_us += US_PER_S; /* the back-off */
	}
	fail_msg("%s does not come back after %s", signal_info[file->signal].name, file->path);
}

static void every_file_gives_its_signal(void **state)
{
	struct world w;

	open_world(&w);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (files[i].signal != SIGNAL__COUNT && !sample_has(&w.sample, files[i].signal))
			fail_msg("%s gives no %s", files[i].path,
				 signal_info[files[i].signal].name);
	registry_close(w.registry);
}

static void what_cannot_be_is_no_value(void **state)
{
	struct world w;

	open_world(&w);
	for (size_t f = 0; f < ARRAY_SIZE(files); f++)
		for (int kind = 0; kind < RUBBISH__COUNT; kind++) {
			put_rubbish(&files[f], (enum rubbish)kind);
			for (int tick = 0; tick < 3; tick++) {
				put_truth(&w, &files[f]);
				poll_once(&w, files[f].path, kind);
			}
			comes_back(&w, &files[f]);
		}
	registry_close(w.registry);
}

static void a_lost_file_is_told_with_its_reason(void **state)
{
	struct world w;

	open_world(&w);
	for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
		const struct sensor_status *s;

		if (!files[f].sensor)
			continue;
		put_rubbish(&files[f], NOTHING);
		for (int tick = 0; tick < 5; tick++) {
			put_truth(&w, &files[f]);
			poll_once(&w, files[f].path, NOTHING);
		}
		s = status_of(&w, files[f].sensor);
		if (s->state == SENSOR_OK || !s->why[0])
			fail_msg("%s lost: sensor %s is %s (%s)", files[f].path, s->name,
				 sensor_state_name(s->state), s->why);
		comes_back(&w, &files[f]);
		assert_int_equal(status_of(&w, files[f].sensor)->state, SENSOR_OK);
	}
	registry_close(w.registry);
}

static void all_files_lost_leave_no_value(void **state)
{
	struct world w;

	open_world(&w);
	for (size_t f = 0; f < ARRAY_SIZE(files); f++)
		put_rubbish(&files[f], NOTHING);
	for (int tick = 0; tick < 5; tick++)
		poll_once(&w, "all", NOTHING);
	for (size_t f = 0; f < ARRAY_SIZE(files); f++)
		if (files[f].sensor)
			assert_false(sample_has(&w.sample, files[f].signal));
	for (size_t f = 0; f < ARRAY_SIZE(files); f++)
		comes_back(&w, &files[f]);
	registry_close(w.registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_gives_its_signal),
		cmocka_unit_test(what_cannot_be_is_no_value),
		cmocka_unit_test(a_lost_file_is_told_with_its_reason),
		cmocka_unit_test(all_files_lost_leave_no_value),
	};

	return cmocka_run_group_tests_name("sensor_rubbish", tests, setup, teardown);
}
