/* What the tests of traces share: a daemon that is recorded, and its trace replayed. */
#ifndef TEST_TRACE_WORLD_H
#define TEST_TRACE_WORLD_H

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

static inline void world_init(struct world *w)
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

static inline double draw(struct world *w)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (double)(w->random >> 40) / 16777216.0;
}

static inline unsigned make_events(struct world *w, struct source_event *events)
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

static inline void make_inputs(struct world *w, struct sample *sample)
{
	struct load_service *l = &w->load.service[0];

	w->now_us += 100000;
	sample_clear(sample, w->now_us);
	sample_put(sample, SIGNAL_CPU_STALL_RATIO, draw(w), VIA_PSI);
	sample_put(sample, SIGNAL_CPU_BUSY_RATIO, 0.5 + draw(w) / 2, VIA_PROCFS);
	if (draw(w) < 0.8) /* absent is not zero */
		sample_put(sample, SIGNAL_MEM_AVAILABLE_BYTES, 1e9 * draw(w), VIA_PROCFS);
	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED |
		   LOAD_HELD | LOAD_STUCK;
	l->offered += (uint64_t)(draw(w) * 20);
	l->admitted += (uint64_t)(draw(w) * 10);
	l->deferred = l->offered > l->admitted ? l->offered - l->admitted : 0;
	l->completed += (uint64_t)(draw(w) * 8);
	l->finished = l->completed;
	l->busy_us += (uint64_t)(draw(w) * 1e6);
	l->server_us += (uint64_t)(draw(w) * 1e6);
	l->in_flight = floor(draw(w) * 20);
	l->busy = floor(l->in_flight / 2);
	l->stuck = floor(l->in_flight / 8);
	l->held = floor(draw(w) * 30);
	l->held_longest_s = draw(w);
	l->held_admitted += (uint64_t)(draw(w) * 5);
	l->held_in_vain += (uint64_t)(draw(w) * 2);
	l->held_left += (uint64_t)(draw(w) * 2);
}

static inline void step(struct world *w, struct recorder *r)
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

static inline struct recorder *open_recorder(struct world *w, const char *path, uint64_t most,
					     size_t ring)
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

static inline void order(struct world *w, struct recorder *r, enum engine_state state)
{
	struct trace_order o = { .now_us = w->now_us, .value = state, .reason = "a test" };

	engine_order(&w->engine, state, 0, o.reason);
	recorder_order(r, &o);
}

/* 400 ticks, orders among them, into a file. */
static inline void record(struct world *w, const char *path)
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

static inline struct bytes slurp(const char *path)
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

static inline struct outcome replay_bytes(const struct bytes *b,
					  const struct replay_options *options)
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

static inline struct outcome replay_file(const char *path)
{
	const struct replay_options as_recorded = { 0 };
	struct bytes b = slurp(path);
	struct outcome o = replay_bytes(&b, &as_recorded);

	free(b.at);
	return o;
}

static char path[64];

static inline int make_path(void **state)
{
	snprintf(path, sizeof(path), "/tmp/penstock-trace-XXXXXX");
	if (!mkdtemp(path))
		return -1;
	strcat(path, "/trace");
	return 0;
}

static inline int drop_path(void **state)
{
	char before[80];

	snprintf(before, sizeof(before), "%s.1", path);
	unlink(before);
	unlink(path);
	*strrchr(path, '/') = 0;
	return rmdir(path);
}

/* A case with a path of its own for the trace. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_path, drop_path)

#endif
