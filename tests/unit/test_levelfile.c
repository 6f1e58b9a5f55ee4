/* RUN_DIR/level: what units follow. */
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_test.h"
#include "publish/levelfile.h"

static char directory[] = "/tmp/penstock-test-level-XXXXXX";

static const char *content(void)
{
	static char text[200];
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/level", directory);
	file = fopen(path, "re");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	return text;
}

static void it_follows_level_and_state(void **state)
{
	struct levelfile file = { .run_dir = directory };
	struct engine_view view = { .state = STATE_SERVING };
	char path[100];
	struct stat st;

	assert_non_null(mkdtemp(directory));
	levelfile_step(&file, &view, 1000000);
	assert_string_equal(content(), "LEVEL=normal\nLEVEL_NUMBER=0\nSTATE=serving\n");
	snprintf(path, sizeof(path), "%s/level", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	/* Not each second, and then the last word. */
	view.level.number = LEVEL_SEVERE;
	levelfile_step(&file, &view, 2000000);
	assert_true(strstr(content(), "normal"));
	view.level.number = LEVEL_SHEDDING;
	levelfile_step(&file, &view, 1000000 + LEVELFILE_PAUSE_US);
	assert_string_equal(content(), "LEVEL=shedding\nLEVEL_NUMBER=2\nSTATE=serving\n");
	view.state = STATE_MAINTENANCE;
	levelfile_step(&file, &view, 1000000 + 2 * LEVELFILE_PAUSE_US);
	assert_true(strstr(content(), "STATE=maintenance"));
	/* Another process removed it. */
	unlink(path);
	levelfile_step(&file, &view, 1000000 + 3 * LEVELFILE_PAUSE_US);
	assert_true(strstr(content(), "STATE=maintenance"));
	/* Nothing stays paused for a daemon that is gone. */
	levelfile_close(&file);
	assert_string_equal(content(), "LEVEL=normal\nLEVEL_NUMBER=0\nSTATE=stopped\n");
	unlink(path);
	rmdir(directory);
}

static void a_directory_that_is_gone_is_tried_again(void **state)
{
	struct levelfile file = { .run_dir = "/nonexistent" };
	struct engine_view view = { .state = STATE_SERVING };

	levelfile_step(&file, &view, 1000000);
	assert_true(file.failed);
	assert_false(file.written);
	levelfile_step(&file, &view, 2000000);
	assert_true(file.written_us == 1000000);
	levelfile_step(&file, &view, 1000000 + LEVELFILE_PAUSE_US);
	assert_true(file.written_us == 1000000 + LEVELFILE_PAUSE_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_follows_level_and_state),
		cmocka_unit_test(a_directory_that_is_gone_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
