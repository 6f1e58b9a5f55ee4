#include "store/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/log.h"
#include "base/text.h"
#include "store/recorder.h"

#define CONFIG_TEXT (TRACE_PAYLOAD_MAX - 16384u)
#define FILES 2 /* files that share daemon.record_max: FILE and FILE.1 */
#define ROUND_US (2 * US_PER_S) /* a file must last at least so long */
#define CLOSE_US (2 * US_PER_S) /* how long the end waits for a disk */

struct recording {
	const struct engine *engine;
	const struct source_table *table; /* NULL: there is none */
	char path[CONFIG_PATH_MAX]; /* as configured; empty: nothing is recorded */
	uint64_t max_bytes; /* as configured */
	uint64_t begun_us; /* when the present file was begun */
	const struct config *config; /* the caller's */
	struct recorder *recorder; /* NULL: nothing is recorded */
};

/* The present configuration as text. NULL: out of memory, or longer than a trace can hold (then its
 * size is logged). */
static char *config_text(const struct config *config, size_t *ret_length)
{
	char *buffer = malloc(CONFIG_TEXT);
	struct text text = { .data = buffer, .size = CONFIG_TEXT };

	if (!buffer)
		return NULL;
	buffer[0] = 0;
	config_print(config, &text);
	if (text.cut) {
		free(buffer);
		return NULL;
	}
	*ret_length = text.length;
	return buffer;
}

static void begin(struct recording *g, const struct config *config)
{
	_cleanup_free_ char *text = NULL;
	struct recorder_options options = {
		.path = g->path,
		.version = PENSTOCK_VERSION,
		.now_us = clock_monotonic_us(),
		.realtime_us = clock_realtime_us(),
		.cores = cpus_allowed(),
		.table = g->table,
		/* The size at the start: another size needs a restart. */
		.table_size = g->table ? source_table_size(g->table) : 0,
		.seed = g->engine->seed
	};
	int r = -ENOMEM;

	memcpy(g->path, config->record, sizeof(g->path));
	g->config = config;
	g->begun_us = clock_monotonic_us();
	g->max_bytes = config->record_max_bytes;
	options.max_bytes = g->max_bytes / FILES;
	if (!g->path[0])
		return;
	text = config_text(config, &options.config_length);
	options.config = text;
	if (text)
		r = recorder_open(&options, &g->recorder);
	if (r < 0)
		log_warning(
			"Cannot open daemon.record: %s. Nothing is recorded; mail is not affected.",
			strerror(-r));
}

int recording_open(const struct config *config, const struct engine *engine,
		   const struct source_table *table, struct recording **ret_recording)
{
	struct recording *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->engine = engine;
	g->table = table;
	begin(g, config);
	*ret_recording = g;
	return 0;
}

void recording_close(struct recording *g)
{
	if (!g)
		return;
	recorder_close(g->recorder, CLOSE_US);
	free(g);
}

void recording_configure(struct recording *g, const struct config *config)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (strcmp(g->path, config->record) != 0 || g->max_bytes != config->record_max_bytes) {
		/* The thread ends by itself: mail does not wait for its disk. */
		recorder_close(g->recorder, 0);
		g->recorder = NULL;
		begin(g, config);
	} else if (g->recorder && (text = config_text(config, &length))) {
		recorder_config(g->recorder, cpus_allowed(), text, length);
	}
}

/* Begins the next file: the full one becomes FILE.1, and the FILE.1 before it is removed. Ticks in
 * between are in no file. Each file begins with a copy of the table of sources. If that alone fills
 * it, the recording ends, so that files do not follow each other too fast. */
static void go_round(struct recording *g)
{
	struct recorder_stats stats;

	recorder_stats(g->recorder, &stats);
	if (!g->recorder || stats.running || stats.error ||
	    clock_monotonic_us() - g->begun_us < ROUND_US)
		return;
	recorder_close(g->recorder, 0);
	g->recorder = NULL;
	begin(g, g->config);
}

void recording_inputs(struct recording *g, const struct sample *sample, const struct load *load,
		      uint64_t realtime_us)
{
	recorder_inputs(g->recorder, g->engine, sample, load, realtime_us);
}

void recording_answer(struct recording *g, const struct plan *plan)
{
	recorder_answer(g->recorder, g->engine, plan, g->table != NULL);
	go_round(g);
}

void recording_events(struct recording *g, const struct source_event *events, unsigned count,
		      uint64_t now_us)
{
	recorder_events(g->recorder, events, count, now_us);
}

void recording_state(struct recording *g, enum engine_state state, uint64_t until_us)
{
	struct trace_order order = { .now_us = clock_monotonic_us(),
				     .kind = TRACE_ORDER_STATE,
				     .value = state,
				     .until_us = until_us };

	memcpy(order.reason, g->engine->view.order_reason, sizeof(order.reason));
	recorder_order(g->recorder, &order);
}

void recording_mode(struct recording *g, enum plan_mode mode)
{
	struct trace_order order = { .now_us = clock_monotonic_us(),
				     .kind = TRACE_ORDER_MODE,
				     .value = mode };

	recorder_order(g->recorder, &order);
}
