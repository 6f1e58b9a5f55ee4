#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "sensor/queue_walk.h"
#include "scratch.h"

#define NOW 1800000000

static char root[64];
static const struct queue_bounds wide = { .entries = 100000,
					  .stat_calls = 100000,
					  .time_us = 60000000 };

static int make_root(void **state)
{
	return scratch_make(root);
}

static int remove_root(void **state)
{
	return scratch_remove(root);
}

static void make_directory(const char *path)
{
	char at[256];

	snprintf(at, sizeof(at), "%s/%s", root, path);
	assert_int_equal(mkdir(at, 0700), 0);
}

/* A file last written `age` seconds before NOW. */
static void make_file(const char *path, int age)
{
	char at[256];
	struct timespec times[2] = { { .tv_sec = NOW - age }, { .tv_sec = NOW - age } };
	int fd;

	snprintf(at, sizeof(at), "%s/%s", root, path);
	fd = open(at, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static struct queue_figures walk(const struct queue_bounds *bounds)
{
	struct queue_figures f = { 0 };

	assert_int_equal(queue_walk(root, UINT64_C(1000000) * NOW, bounds, &f), 0);
	return f;
}

static void postfix(void **state)
{
	static const char *const directories[] = { "active",	 "incoming",   "deferred",
						   "deferred/A", "deferred/3", "hold",
						   "maildrop",	 "corrupt",    "incoming/B" };
	struct queue_figures f;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		make_directory(directories[i]);
	assert_int_equal(queue_detect(root), QUEUE_POSTFIX);
	f = walk(&wide);
	assert_int_equal(f.count, 0);
	make_file("active/4C3F71234B", 40);
	make_file("incoming/4fzNjt2cGLz1ZB", 7); /* long queue id */
	make_file("incoming/B/B12345678", 9);
	make_file("maildrop/ABCDEF12", 3);
	make_file("deferred/A/A1B2C3D4E5", -600); /* due in ten minutes */
	make_file("deferred/3/3B2C3D4E5F", 90000);
	make_file("hold/A1B2C3D4E6", 500000); /* an operator's */
	make_file("active/README", 500000);
	make_file("incoming/4C3F71234C.tmp", 500000);
	f = walk(&wide);
	assert_int_equal(f.layout, QUEUE_POSTFIX);
	assert_int_equal(f.count, 6);
	assert_int_equal(f.ready, 4);
	assert_near(f.oldest_s, 40, 0.01);
	assert_false(f.partial);
}

/* Seconds since 1970 as Exim writes them. */
static void exim_id(char *ret, int64_t seconds)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	for (int i = 5; i >= 0; i--, seconds /= 62)
		ret[i] = digits[seconds % 62];
	ret[6] = 0;
}

/* What is in a file, its time kept. */
static void fill(const char *path, const char *content)
{
	char at[256];
	struct stat st;
	struct timespec times[2];
	int fd;

	snprintf(at, sizeof(at), "%s/%s", root, path);
	fd = open(at, O_WRONLY);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void exim_message(const char *directory, const char *tail, int age, int written)
{
	char id[8], path[128];

	exim_id(id, NOW - age);
	snprintf(path, sizeof(path), "%s/%s-%s-H", directory, id, tail);
	make_file(path, written);
	fill(path, age - written > 5 ? "x-H\nuser 1 1\n-ident x\n"
				     : "x-H\nuser 1 1\n-deliver_firsttime\n-ident x\n");
	snprintf(path, sizeof(path), "%s/%s-%s-D", directory, id, tail);
	make_file(path, age);
}

static void exim(void **state)
{
	struct queue_figures f;
	char id[8], path[64];

	make_directory("input");
	make_directory("input/7");
	make_directory("input/a");
	make_directory("msglog");
	assert_int_equal(queue_detect(root), QUEUE_EXIM);
	exim_message("input", "0003cQ-2B", 30, 29);
	exim_message("input/7", "0003cR-0a", 55, 54);
	exim_message("input/a", "00000003cR7-0abc", 80, 79); /* 4.97 */
	exim_message("input/a", "00000003cR8-0abc", 9000, 100); /* tried, put back */
	/* tried at once, and put back at once: only the file itself tells */
	make_directory("input/Q");
	exim_message("input/Q", "0003cS-0b", 500, 500);
	exim_id(id, NOW - 500);
	snprintf(path, sizeof(path), "input/Q/%s-0003cS-0b-H", id);
	fill(path, "x-H\nuser 1 1\n-ident tried and put back\n\n\n\n");
	f = walk(&wide);
	assert_int_equal(f.layout, QUEUE_EXIM);
	assert_int_equal(f.count, 5);
	assert_int_equal(f.ready, 3);
	assert_near(f.oldest_s, 80, 0.01);
}

static void sendmail(void **state)
{
	struct queue_figures f;

	make_directory("q1");
	make_directory("q1/qf");
	make_directory("q1/df");
	make_directory("q1/xf");
	make_directory("q2");
	assert_int_equal(queue_detect(root), QUEUE_SENDMAIL);
	make_file("q1/qf/qf7AGC0x12345678", 20);
	make_file("q1/df/df7AGC0x12345678", 21);
	make_file("q2/qf7AGC0x88345679", 100); /* tried at once */
	make_file("q2/df7AGC0x88345679", 100);
	fill("q2/qf7AGC0x88345679", "V8\nT1\nK1700000000\nN1\nP1\n");
	make_file("q1/qf/qf7AGC0x12345679", 20); /* rewritten after an attempt */
	make_file("q1/df/df7AGC0x12345679", 4000);
	make_file("q2/qf7AGC0x99345679", 61);
	make_file("q2/df7AGC0x99345679", 62);
	make_file("q2/xf7AGC0x99345679", 62);
	f = walk(&wide);
	assert_int_equal(f.count, 4);
	assert_int_equal(f.ready, 2);
	assert_near(f.oldest_s, 62, 0.01);
}

static void opensmtpd(void **state)
{
	struct queue_figures f;

	make_directory("queue");
	make_directory("incoming");
	make_directory("purge");
	make_directory("queue/1a");
	make_directory("queue/1a/1a2b3c4d");
	make_directory("queue/ff");
	make_directory("queue/ff/ff2b3c4d");
	assert_int_equal(queue_detect(root), QUEUE_OPENSMTPD);
	make_file("queue/1a/1a2b3c4d/message", 33);
	make_file("queue/1a/1a2b3c4d/1a2b3c4d00000001", 33);
	make_file("queue/ff/ff2b3c4d/message", 5000);
	make_file("queue/ff/ff2b3c4d/ff2b3c4d00000001", 100);
	make_directory("queue/aa");
	make_directory("queue/aa/aa2b3c4d");
	make_file("queue/aa/aa2b3c4d/message", 700);
	make_file("queue/aa/aa2b3c4d/aa2b3c4d00000001", 700);
	fill("queue/aa/aa2b3c4d/aa2b3c4d00000001", "version: 3\nlast-try: 1700000000\nretry: 1\n");
	fill("queue/1a/1a2b3c4d/1a2b3c4d00000001", "version: 3\nlast-try: 0\nretry: 0\n");
	f = walk(&wide);
	assert_int_equal(f.count, 3);
	assert_int_equal(f.ready, 1);
	assert_near(f.oldest_s, 33, 0.01);
}

static void bounds(void **state)
{
	struct queue_bounds narrow = { .entries = 100, .stat_calls = 1000, .time_us = 60000000 };
	struct queue_bounds blind = { .entries = 10000, .stat_calls = 10, .time_us = 60000000 };
	volatile bool stop = true;
	struct queue_bounds stopped = {
		.entries = 10000, .stat_calls = 10000, .time_us = 60000000, .stop = &stop
	};
	struct queue_figures f;
	char path[64];

	make_directory("active");
	make_directory("incoming");
	make_directory("deferred");
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "incoming/%08X", 0x10000000u + i);
		make_file(path, 5);
	}
	f = walk(&narrow);
	assert_true(f.partial && f.count <= 100 && f.entries == 100);
	f = walk(&blind);
	assert_true(f.partial && f.stat_calls == 10);
	assert_int_equal(f.count, 1000);
	f = walk(&stopped);
	assert_true(f.partial && f.entries <= 256);
	f = walk(&wide);
	assert_int_equal(f.count, 1000);
}

static void nothing(void **state)
{
	struct queue_figures f = { .count = 7 };

	assert_int_equal(queue_detect(root), QUEUE_UNKNOWN);
	assert_int_equal(queue_walk(root, 1, &wide, &f), -EMEDIUMTYPE);
	assert_int_equal(queue_walk("/nonexistent", 1, &wide, &f), -ENOENT);
	assert_int_equal(f.count, 7);
}

static void names(void **state)
{
	assert_true(queue_exim_time("1rXyzA-0003cQ-2B-H") > 1700000000 &&
		    queue_exim_time("1rXyzA-0003cQ-2B-H") < 1720000000);
	assert_int_equal(queue_exim_time("1rXyzA-0003cQ-2B"), -1);
	assert_int_equal(queue_exim_time("1rXyz-0003cQ-2B-H"), -1);
	assert_int_equal(queue_exim_time(""), -1);
	assert_true(queue_is_postfix_id("4fzNjt2cGLz1ZB"));
	assert_false(queue_is_postfix_id("4fzNjt") || queue_is_postfix_id("xyz"));
	assert_true(queue_is_sendmail_control("qf7AGC0x12345678"));
	assert_false(queue_is_sendmail_control("qf") ||
		     queue_is_sendmail_control("df7AGC0x12345678"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(postfix, make_root, remove_root),
		cmocka_unit_test_setup_teardown(exim, make_root, remove_root),
		cmocka_unit_test_setup_teardown(sendmail, make_root, remove_root),
		cmocka_unit_test_setup_teardown(opensmtpd, make_root, remove_root),
		cmocka_unit_test_setup_teardown(bounds, make_root, remove_root),
		cmocka_unit_test_setup_teardown(nothing, make_root, remove_root),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("queue_walk", tests, NULL, NULL);
}
