#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "../../tools/penstock-replay/replay.c"
#include "base/text.h"
#include "store/recorder.h"
#include "store/recorder_ring.h"

#define BEGIN UINT64_C(5000000000)
#define TICKS 400

/* A small daemon in virtual time: an engine and a table of sources, fed by arithmetic. */
struct world {
	struct config config;
	struct engine engine;
	struct source_table *table;
	struct plan plan;
	struct load load;
	uint64_t random, now_us;
	char text[32768];
	size_t text_length;
};

static void world_init(struct world *w)
{
	static struct source_config sources;
	static struct engine_config engine;
	const uint64_t seed[2] = { 3, 4 };
	struct text text = { .data = w->text, .size = sizeof(w->text) };
	void *block;

	memset(w, 0, sizeof(*w));
	config_defaults(&w->config);
	w->config.window_max = 12;
	w->config.sources.ledger_bytes = w->config.sources.rate_bytes = 65536;
	config_print(&w->config, &text);
	w->text_length = text.length;
	engine_config_from(&w->config, 1, &engine);
	engine_init(&w->engine, &engine, 99);
	source_config_from(&w->config, 1, &sources);
	block = aligned_alloc(64, (source_size(&sources) + 63) / 64 * 64);
	w->table = source_init(block, &sources, seed);
	w->now_us = BEGIN;
	w->random = 1;
}

static double draw(struct world *w)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (double)(w->random >> 40) / 16777216.0;
}

static unsigned make_events(struct world *w, struct source_event *events)
{
	unsigned n = (unsigned)(draw(w) * 12);

	memset(events, 0, n * sizeof(*events));
	for (unsigned i = 0; i < n; i++) {
		events[i].address[10] = events[i].address[11] = 0xff;
		events[i].address[12] = 10;
		events[i].address[14] = (uint8_t)(draw(w) * 40);
		events[i].kind = draw(w) < 0.3 ? SOURCE_FINISHED : SOURCE_ATTEMPT;
		events[i].server_us = 200000;
		events[i].admitted = draw(w) < 0.5;
		events[i].reason = events[i].admitted ? REASON_NONE : REASON_CPU;
	}
	return n;
}

static void make_inputs(struct world *w, struct sample *sample)
{
	struct load_service *l = &w->load.service[0];

	w->now_us += 100000;
	sample_clear(sample, w->now_us);
	sample_put(sample, SIGNAL_CPU_STALL_RATIO, draw(w), VIA_PSI);
	sample_put(sample, SIGNAL_CPU_BUSY_RATIO, 0.5 + draw(w) / 2, VIA_PROCFS);
	if (draw(w) < 0.8) /* absent is not zero */
		sample_put(sample, SIGNAL_MEM_AVAILABLE_BYTES, 1e9 * draw(w), VIA_PROCFS);
	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED |
		   LOAD_HELD;
	l->offered += (uint64_t)(draw(w) * 20);
	l->admitted += (uint64_t)(draw(w) * 10);
	l->deferred = l->offered > l->admitted ? l->offered - l->admitted : 0;
	l->completed += (uint64_t)(draw(w) * 8);
	l->finished = l->completed;
	l->busy_us += (uint64_t)(draw(w) * 1e6);
	l->server_us += (uint64_t)(draw(w) * 1e6);
	l->in_flight = floor(draw(w) * 20);
	l->busy = floor(l->in_flight / 2);
	l->held = floor(draw(w) * 30);
	l->held_longest_s = draw(w);
	l->held_admitted += (uint64_t)(draw(w) * 5);
	l->held_in_vain += (uint64_t)(draw(w) * 2);
	l->held_left += (uint64_t)(draw(w) * 2);
}

static void step(struct world *w, struct recorder *r)
{
	struct source_event events[16];
	struct source_input in;
	struct sample sample;
	unsigned n = make_events(w, events);

	sources_note(w->table, events, n, w->now_us + 50000);
	recorder_events(r, events, n, w->now_us + 50000);
	make_inputs(w, &sample);
	recorder_inputs(r, &w->engine, &sample, &w->load, w->now_us + 7);
	engine_step(&w->engine, &sample, &w->load, w->now_us + 7, &w->plan);
	source_input_from(&w->engine, &w->load, w->now_us, w->now_us + 7, &in);
	source_plan(w->table, &in, &w->plan);
	recorder_answer(r, &w->engine, &w->plan, true);
}

static struct recorder *open_recorder(struct world *w, const char *path, uint64_t most, size_t ring)
{
	struct recorder_options o = { .path = path,
				      .max_bytes = most,
				      .version = "test",
				      .now_us = w->now_us,
				      .realtime_us = w->now_us,
				      .cores = 1,
				      .config = w->text,
				      .config_length = w->text_length,
				      .table = w->table,
				      .table_size = source_table_size(w->table),
				      .seed = w->engine.seed,
				      .ring_bytes = ring };
	struct recorder *r;

	assert_int_equal(recorder_open(&o, &r), 0);
	return r;
}

static void order(struct world *w, struct recorder *r, enum engine_state state)
{
	struct trace_order o = { .now_us = w->now_us, .value = state, .reason = "a test" };

	engine_order(&w->engine, state, 0, o.reason);
	recorder_order(r, &o);
}

/* 400 ticks, orders among them, into a file. */
static void record(struct world *w, const char *path)
{
	struct recorder *r;

	world_init(w);
	for (unsigned i = 0; i < 50; i++) /* what is learned before */
		step(w, NULL);
	r = open_recorder(w, path, 1 << 30, 0);
	for (unsigned i = 0; i < TICKS; i++) {
		if (i == 100)
			order(w, r, STATE_DRAINING);
		if (i == 120)
			order(w, r, STATE_SERVING);
		if (i == 200) {
			engine_configure(&w->engine, &w->engine.config);
			recorder_config(r, 1, w->text, w->text_length);
		}
		step(w, r);
	}
	recorder_close(r, 60000000);
	free(w->table);
}

struct bytes {
	uint8_t *at;
	size_t size;
};

static struct bytes slurp(const char *path)
{
	struct bytes b = { 0 };
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	b.size = (size_t)st.st_size;
	b.at = malloc(b.size + 1);
	assert_int_equal(read(fd, b.at, b.size), b.size);
	close(fd);
	return b;
}

struct outcome {
	unsigned ticks, compared, differs, gaps, short_end, ends, lost;
	bool unranked;
	int first;
	uint64_t digest; /* of all plans */
};

static struct outcome replay_bytes(const struct bytes *b, const struct replay_options *options)
{
	static struct replay r;
	static struct trace_record record;
	static struct replay_tick tick;
	struct trace_reader reader = { .bytes = b->at, .size = b->size };
	struct outcome o = { .first = -2 };
	struct trace_head head;
	const void *payload;
	size_t length, skipped;
	char why[512];
	int result;

	assert_int_equal(trace_next(&reader, &payload, &length, &skipped), 1);
	assert_int_equal(trace_get(payload, length, NULL, &record), 0);
	head = record.head;
	replay_init(&r, options, &head);
	while ((result = trace_next(&reader, &payload, &length, &skipped)) != 0) {
		o.short_end += result == -ENODATA;
		if (result < 0) {
			o.gaps++;
			replay_gap(&r);
			continue;
		}
		assert_int_equal(trace_get(payload, length, &head, &record), 0);
		o.ends += record.type == TRACE_END;
		o.lost += record.type == TRACE_LOST;
		result = replay_take(&r, &record, &tick, why);
		assert_true(result >= 0);
		if (!result)
			continue;
		o.ticks++;
		o.compared += tick.compared;
		o.unranked |= !tick.ranked;
		o.digest = XXH3_64bits_withSeed(&tick.plan, sizeof(tick.plan), o.digest);
		if (tick.compared && tick.differs) {
			if (!o.differs++)
				o.first = tick.first;
		}
	}
	replay_done(&r);
	return o;
}

static char path[64];

static int make_path(void **state)
{
	snprintf(path, sizeof(path), "/tmp/penstock-trace-XXXXXX");
	if (!mkdtemp(path))
		return -1;
	strcat(path, "/trace");
	return 0;
}

static int drop_path(void **state)
{
	char before[80];

	snprintf(before, sizeof(before), "%s.1", path);
	unlink(before);
	unlink(path);
	*strrchr(path, '/') = 0;
	return rmdir(path);
}

static void an_unchanged_engine_answers_bit_by_bit_what_was_recorded(void **state)
{
	static struct world w;
	struct replay_options as_recorded = { 0 };
	struct outcome o;
	struct bytes b;
	struct stat st;

	record(&w, path);
	b = slurp(path);
	o = replay_bytes(&b, &as_recorded);
	assert_int_equal(o.ticks, TICKS);
	assert_int_equal(o.compared, TICKS);
	assert_int_equal(o.differs, 0);
	assert_int_equal(o.ends, 1);
	assert_int_equal(o.gaps, 0);
	assert_false(o.unranked); /* cut-offs were compared too */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	free(b.at);
}

/* Fails when anything but its arguments gets into the engine: time, addresses of memory, what was
 * in memory before. */
static void the_engine_is_a_function_of_what_it_is_given(void **state)
{
	static struct world w;
	struct replay_options as_recorded = { 0 };
	struct outcome one, two;
	struct bytes a, b;

	record(&w, path);
	a = slurp(path);
	memset(&w, 0xa5, sizeof(w));
	record(&w, path);
	b = slurp(path);
	one = replay_bytes(&a, &as_recorded);
	two = replay_bytes(&b, &as_recorded);
	assert_true(one.digest == two.digest);
	assert_int_equal(one.differs + two.differs, 0);
	free(a.at);
	free(b.at);
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
	e->memory.look[1].next = TREND_POINTS;
	assert_int_equal(engine_restore_checkpoint(e, sizeof(*e), engine_layout(), &taken), -2);
}

static void the_ring_gives_back_what_was_put_and_takes_no_more_than_fits(void **state)
{
	uint8_t room[256], bytes[100], got[100];
	struct recorder_ring ring = { .bytes = room, .size = sizeof(room) };
	unsigned put = 0, taken = 0;

	assert_int_equal(ring_take(&ring, got, sizeof(got)), 0);
	for (unsigned i = 0; i < 10000; i++) {
		memset(bytes, (int)put, sizeof(bytes));
		if (ring_put(&ring, bytes, put % 97 + 1))
			put++;
		else
			assert_true(put > taken);
		if (i % 3 == 0)
			continue;
		uint32_t length = ring_take(&ring, got, sizeof(got));

		if (!length)
			continue;
		assert_int_equal(length, taken % 97 + 1);
		assert_int_equal(got[0], (uint8_t)taken);
		assert_int_equal(got[length - 1], (uint8_t)taken);
		taken++;
	}
	assert_in_range(taken, 1000, 10000);
}

static void what_the_disk_does_not_take_is_counted_and_the_trace_goes_on_from_there(void **state)
{
	static struct world w;
	struct replay_options as_recorded = { 0 };
	struct recorder_stats stats;
	struct recorder *r;
	struct outcome o;
	struct bytes b;
	unsigned ticks = 0;

	world_init(&w);
	r = open_recorder(&w, "/nowhere/trace", 1 << 30, 0);
	do { /* until it has found out */
		step(&w, r);
		recorder_stats(r, &stats);
	} while (stats.running && ++ticks < 1000000);
	assert_int_equal(stats.error, ENOENT);
	for (unsigned i = 0; i < 1000; i++) /* and nobody minds */
		step(&w, r);
	recorder_close(r, 60000000);
	/* A ring of some ten ticks, and a thread that looks five times a second: it is full, and
	 * then there is room again. */
	r = open_recorder(&w, path, UINT64_C(1) << 40, 128 << 10);
	for (ticks = 0, stats.ticks_lost = 0; ticks < 100000 && stats.ticks_lost < 100; ticks++) {
		step(&w, r);
		recorder_stats(r, &stats);
	}
	assert_true(stats.ticks_lost >= 100);
	for (uint64_t lost = 0; lost != stats.ticks_lost;) {
		lost = stats.ticks_lost;
		usleep(1000);
		for (unsigned i = 0; i < 20; i++)
			step(&w, r);
		recorder_stats(r, &stats);
	}
	recorder_close(r, 60000000);
	b = slurp(path);
	o = replay_bytes(&b, &as_recorded);
	assert_true(o.lost >= 1);
	assert_int_equal(o.differs + o.gaps, 0);
	assert_int_equal(o.compared, o.ticks); /* the state was told anew behind what is missing */
	assert_true(o.unranked); /* and the table of sources was not */
	free(b.at);
	free(w.table);
}

static void a_full_file_ends_whole_and_within_its_bound(void **state)
{
	static struct world w;
	struct replay_options as_recorded = { 0 };
	struct recorder_stats stats;
	struct recorder *r;
	struct outcome o;
	struct bytes b;

	world_init(&w);
	r = open_recorder(&w, path, 1 << 20, 0);
	do {
		step(&w, r);
		recorder_stats(r, &stats);
	} while (stats.running);
	recorder_close(r, 60000000);
	assert_int_equal(stats.error, 0);
	b = slurp(path);
	assert_in_range(b.size, 1 << 19, 1 << 20);
	o = replay_bytes(&b, &as_recorded);
	assert_int_equal(o.ends, 1);
	assert_int_equal(o.gaps + o.differs, 0);
	free(b.at);
	free(w.table);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, drop_path)
	const struct CMUnitTest tests[] = {
		TEST(an_unchanged_engine_answers_bit_by_bit_what_was_recorded),
		TEST(the_engine_is_a_function_of_what_it_is_given),
		TEST(another_configuration_differs_and_it_is_said_where_first),
		TEST(a_cut_or_a_damaged_trace_keeps_what_is_whole),
		TEST(what_the_disk_does_not_take_is_counted_and_the_trace_goes_on_from_there),
		TEST(a_full_file_ends_whole_and_within_its_bound),
		cmocka_unit_test(an_image_that_no_engine_has_is_not_taken),
		cmocka_unit_test(the_ring_gives_back_what_was_put_and_takes_no_more_than_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
