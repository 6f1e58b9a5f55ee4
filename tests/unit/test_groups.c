/* The tree of control groups: what is in it, and how it is read. */
#include "cmocka_test.h"

#include "groups_world.h"
#include "sensor/group_read.h"

static const char *const cpu_files[GROUP_FILES] = { "cpu.stat" };

static const struct group_node *find(const struct group_tree *t, const char *path)
{
	for (unsigned i = 0; i < t->count; i++)
		if (strcmp(t->node[i].path, path) == 0)
			return &t->node[i];
	return NULL;
}

static void a_tree_is_followed(void **state)
{
	struct group_tree t;
	const struct group_node *n;
	char path[64];

	make_group("system.slice");
	make_group("system.slice/a.service");
	put("system.slice/a.service/cpu.stat", "usage_usec 1000000\nuser_usec 1\n");
	assert_int_equal(group_tree_init(&t, root_fd, ".", cpu_files, false, 8), 0);
	assert_int_equal(group_tree_rebuild(&t), 0);
	assert_int_equal(t.count, 2);
	n = find(&t, "./system.slice/a.service");
	assert_non_null(n);
	assert_string_equal(group_node_name(n), "a.service");
	assert_int_equal(n->parent, 0);
	group_read_cpu((struct group_node *)n, false, 0);
	put("system.slice/a.service/cpu.stat", "usage_usec 1500000\nuser_usec 1\n");
	group_read_cpu((struct group_node *)n, false, 1);
	assert_near(n->use, 0.5, 1e-9);
	/* Another comes; what was known of the first stays. */
	make_group("user.slice");
	assert_int_equal(group_tree_rebuild(&t), 0);
	assert_int_equal(t.count, 3);
	n = find(&t, "./system.slice/a.service");
	assert_near(n->use, 0.5, 1e-9);
	/* Of a new one of the same name nothing is known. */
	snprintf(path, sizeof(path), "%s/user.slice", root);
	rmdir(path);
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "g%d", i);
		make_group(path);
	}
	assert_int_equal(group_tree_rebuild(&t), 0);
	assert_int_equal(t.count, 8);
	assert_true(t.more);
	assert_null(find(&t, "./user.slice"));
	group_tree_done(&t);
}

static void memory_without_cache(void **state)
{
	static const char *const files[GROUP_FILES] = { "memory.current", "memory.stat" };
	struct group_tree t;

	make_group("a");
	put("a/memory.current", "900000000\n");
	put("a/memory.stat",
	    "anon 100000000\nfile 790000000\nshmem 5000000\nslab_unreclaimable 1000000\n");
	group_tree_init(&t, root_fd, ".", files, true, 8);
	group_tree_rebuild(&t);
	group_read_memory(&t.node[0], false, 1000000);
	assert_near(t.node[0].use, 106e6, 1);
	/* The total has not moved: the file that takes long to read is not read again. */
	put("a/memory.stat", "anon 1\n");
	group_read_memory(&t.node[0], false, 2000000);
	assert_near(t.node[0].use, 106e6, 1);
	put("a/memory.current", "1900000000\n");
	group_read_memory(&t.node[0], false, 3000000);
	assert_near(t.node[0].use, 1, 1e-6);
	group_tree_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_tree_is_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_without_cache, setup, teardown),
	};

	return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
