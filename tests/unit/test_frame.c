#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/frame.h"
#include "scratch.h"

static const struct frame_kind kind = { "test", 3 };
static const char text[] = "what was remembered";

static char root[64];
static int dir = -1;

static int setup(void **state)
{
	if (scratch_make(root) < 0)
		return -1;
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	close(dir);
	return scratch_remove(root);
}

static void put(const void *bytes, size_t size)
{
	int fd = openat(dir, "file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static size_t get(char *bytes, size_t size)
{
	int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, bytes, size);

	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

static bool is_there(const char *name)
{
	return faccessat(dir, name, F_OK, 0) == 0;
}

static void comes_back(void **state)
{
	char payload[64];
	size_t length = 0;

	assert_int_equal(frame_load(dir, "file", &kind, payload, sizeof(payload), &length),
			 -ENOENT);
	assert_int_equal(frame_save(dir, "file", &kind, text, sizeof(text)), 0);
	assert_false(is_there("file.new"));
	assert_int_equal(frame_load(dir, "file", &kind, payload, sizeof(payload), &length), 0);
	assert_int_equal(length, sizeof(text));
	assert_string_equal(payload, text);
	/* Exactly as large as asked for, when no length is. */
	assert_int_equal(frame_load(dir, "file", &kind, payload, sizeof(text), NULL), 0);
	assert_int_equal(frame_load(dir, "file", &kind, payload, sizeof(payload), NULL), -EBADMSG);
	close(dir);
}

/* Every single byte of it: changed, or missing from there on. */
static void any_damage_is_seen(void **state)
{
	char sound[256], bytes[256], payload[64] = "untouched";
	size_t size, length;

	assert_int_equal(frame_save(dir, "file", &kind, text, sizeof(text)), 0);
	size = get(sound, sizeof(sound));
	assert_int_equal(size, sizeof(struct frame_head) + sizeof(text));
	for (size_t i = 0; i < size; i++) {
		memcpy(bytes, sound, size);
		bytes[i] ^= 0x10;
		put(bytes, size);
		assert_true(frame_load(dir, "file", &kind, payload, sizeof(payload), &length) < 0);
		assert_false(is_there("file"));
		assert_true(is_there("file.corrupt"));
		put(sound, i);
		assert_true(frame_load(dir, "file", &kind, payload, sizeof(payload), &length) < 0);
		assert_false(is_there("file"));
	}
	assert_string_equal(payload, "untouched");
}

static void other_versions_and_kinds(void **state)
{
	static const struct frame_kind newer = { "test", 4 }, other = { "plan", 3 };
	char payload[64];
	size_t length;

	assert_int_equal(frame_save(dir, "file", &newer, text, sizeof(text)), 0);
	assert_int_equal(frame_load(dir, "file", &kind, payload, sizeof(payload), &length),
			 -EPROTONOSUPPORT);
	assert_true(is_there("file.corrupt"));
	assert_int_equal(frame_save(dir, "file", &other, text, sizeof(text)), 0);
	assert_int_equal(frame_load(dir, "file", &kind, payload, sizeof(payload), &length),
			 -EBADMSG);
	/* A directory of that name, a file that is far too large. */
	assert_int_equal(mkdirat(dir, "file", 0700), 0);
	assert_true(frame_load(dir, "file", &kind, payload, sizeof(payload), &length) < 0);
	unlinkat(dir, "file.corrupt", 0);
	unlinkat(dir, "file.corrupt", AT_REMOVEDIR);
	unlinkat(dir, "file", AT_REMOVEDIR);
	assert_int_equal(frame_save(dir, "file", &kind, text, sizeof(text)), 0);
	assert_int_equal(frame_load(dir, "file", &kind, payload, 4, &length), -EFBIG);
}

static void without_a_sum_only_the_head_counts(void **state)
{
	struct {
		struct frame_head head;
		char payload[32];
	} frame = { .payload = "changes in place" };
	const void *payload;
	size_t length;

	frame_head(&frame.head, &kind, 0, NULL, sizeof(frame.payload));
	frame.payload[0] ^= 1;
	assert_int_equal(frame_check(&frame, sizeof(frame), &kind, &payload, &length), 0);
	assert_ptr_equal(payload, frame.payload);
	assert_int_equal(length, sizeof(frame.payload));
	frame.head.length++;
	assert_int_equal(frame_check(&frame, sizeof(frame), &kind, &payload, &length), -EBADMSG);
}

static void what_cannot_be_written_leaves_the_old_one(void **state)
{
	int ro;
	char payload[64];
	size_t length;

	assert_int_equal(frame_save(dir, "file", &kind, text, sizeof(text)), 0);
	/* The fresh one's name is taken by a directory. */
	assert_int_equal(mkdirat(dir, "file.new", 0700), 0);
	assert_true(frame_save(dir, "file", &kind, "other", 6) < 0);
	assert_int_equal(frame_load(dir, "file", &kind, payload, sizeof(payload), &length), 0);
	assert_string_equal(payload, text);
	ro = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(frame_save(ro, "file", &kind, text, sizeof(text)) < 0);
	close(ro);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(any_damage_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(other_versions_and_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_sum_only_the_head_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_leaves_the_old_one, setup,
						teardown),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
