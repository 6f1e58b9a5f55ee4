/* A recorded trace, replayed: the engine answers what it answered. */
#include "trace_world.h"

static void an_unchanged_engine_answers_bit_by_bit_what_was_recorded(void **state)
{
	static struct world w;
	struct outcome o;
	struct stat st;

	record(&w, path);
	o = replay_file(path);
	assert_int_equal(o.ticks, TICKS);
	assert_int_equal(o.compared, TICKS);
	assert_int_equal(o.differs, 0);
	assert_int_equal(o.ends, 1);
	assert_int_equal(o.gaps, 0);
	assert_false(o.unranked); /* cut-offs were compared too */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

/* Fails when anything but its arguments gets into the engine: time, addresses of memory, what was
 * in memory before. */
static void the_engine_is_a_function_of_what_it_is_given(void **state)
{
	static struct world w;
	struct outcome one, two;

	record(&w, path);
	one = replay_file(path);
	memset(&w, 0xa5, sizeof(w));
	record(&w, path);
	two = replay_file(path);
	assert_true(one.digest == two.digest);
	assert_int_equal(one.differs + two.differs, 0);
}

static void another_configuration_differs_and_it_is_said_where_first(void **state)
{
	static const char *const window[] = { "objective.window_max=9" };
	static const char *const wrong[] = { "objective.window_max=no" };
	static struct world w;
	struct replay_options what_if = { .overrides = window, .overrides_count = 1 };
	static struct replay r;
	static struct replay_tick tick;
	struct trace_record record_of = { .type = TRACE_CONFIG };
	struct trace_head head = { .cores = 1 };
	struct outcome o;
	struct bytes b;
	char why[512], name[80];

	record(&w, path);
	b = slurp(path);
	o = replay_bytes(&b, &what_if);
	assert_int_equal(o.ticks, TICKS);
	assert_in_range(o.differs, 1, TICKS);
	assert_non_null(
		strstr(trace_answer_name(&w.engine.config, (unsigned)o.first, name, sizeof(name)),
		       "window"));
	what_if.overrides = wrong;
	replay_init(&r, &what_if, &head);
	record_of.config = (struct trace_config){ 1, w.text, w.text_length };
	assert_int_equal(replay_take(&r, &record_of, &tick, why), -EINVAL);
	assert_non_null(strstr(why, "objective.window_max"));
	free(b.at);
}

static void a_cut_or_a_damaged_trace_keeps_what_is_whole(void **state)
{
	static struct world w;
	struct replay_options as_recorded = { 0 };
	struct outcome o;
	struct bytes b;

	record(&w, path);
	b = slurp(path);
	b.size -= 300; /* in the last tick */
	o = replay_bytes(&b, &as_recorded);
	assert_in_range(o.ticks, TICKS - 2, TICKS - 1);
	assert_int_equal(o.short_end, 1);
	assert_int_equal(o.differs, 0);
	for (size_t at = b.size - 200000; at < b.size - 200000 + 4; at++)
		b.at[at] ^= 0xff;
	o = replay_bytes(&b, &as_recorded);
	assert_in_range(o.ticks, TICKS - 4,
			TICKS - 1); /* it may be a state that is damaged, and no tick */
	assert_int_equal(o.gaps, 2);
	assert_int_equal(o.differs, 0); /* behind the gap it is not known, and not said */
	assert_true(o.compared < o.ticks && o.compared > TICKS / 4);
	free(b.at);
}

static void an_image_that_no_engine_has_is_not_taken(void **state)
{
	static struct world w;
	static struct engine taken;
	static uint8_t bytes[sizeof(struct engine) + 1];
	struct engine *e = &w.engine;

	world_init(&w);
	free(w.table);
	memcpy(bytes + 1, e, sizeof(*e)); /* at any alignment */
	assert_int_equal(engine_restore_checkpoint(bytes + 1, sizeof(*e), engine_layout(), &taken),
			 0);
	assert_memory_equal(&taken, e, sizeof(*e));
	assert_int_equal(
		engine_restore_checkpoint(bytes + 1, sizeof(*e) - 1, engine_layout(), &taken), -1);
	assert_int_equal(
		engine_restore_checkpoint(bytes + 1, sizeof(*e), engine_layout() + 1, &taken), -1);
	e->config.services = PLAN_SERVICES + 1;
	assert_int_equal(engine_restore_checkpoint(e, sizeof(*e), engine_layout(), &taken), -2);
	e->config.services = 1;
	e->forecast.memory.look[1].next = TREND_POINTS;
	assert_int_equal(engine_restore_checkpoint(e, sizeof(*e), engine_layout(), &taken), -2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unchanged_engine_answers_bit_by_bit_what_was_recorded),
		TEST(the_engine_is_a_function_of_what_it_is_given),
		TEST(another_configuration_differs_and_it_is_said_where_first),
		TEST(a_cut_or_a_damaged_trace_keeps_what_is_whole),
		cmocka_unit_test(an_image_that_no_engine_has_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
