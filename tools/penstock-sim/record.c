#include "penstock-sim/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/config.h"
#include "penstock-sim/grow.h"

#define CONFIG_TEXT 65536u
#define STATE_EVERY 600u

struct record {
	FILE *file;
	uint8_t *bytes; /* TRACE_PAYLOAD_MAX */
	struct trace_out out;
	uint64_t ticks;
};

static struct trace_out begin(struct record *r)
{
	return (struct trace_out){ .bytes = r->bytes, .size = TRACE_PAYLOAD_MAX };
}

/* Errors are remembered in the file until it is closed. */
static void write_frame(struct record *r, const struct trace_out *out)
{
	struct frame_head head;

	frame_head(&head, &trace_kind, FRAME_SUMMED, out->bytes, out->length);
	fwrite(&head, sizeof(head), 1, r->file);
	fwrite(out->bytes, out->length, 1, r->file);
}

/* The configuration of a daemon without a configuration file, with which a scenario is run; the
 * rest is in the engine's state. */
static void write_config(struct record *r, const struct engine *engine)
{
	struct config *config = grow_zeroed(1, sizeof(*config));
	char *buffer = grow_zeroed(1, CONFIG_TEXT);
	struct text text = { .data = buffer, .size = CONFIG_TEXT };
	struct trace_out out = begin(r);

	config_defaults(config);
	config->window_max = engine->config.window.max;
	config_print(config, &text);
	trace_put_config(&out, engine->config.cores, text.data, text.length);
	write_frame(r, &out);
	free(config);
	free(buffer);
}

static void write_table(struct record *r, const struct source_table *table)
{
	static const uint8_t zeros[TRACE_PAGE];
	const uint8_t *bytes = (const uint8_t *)table;
	size_t size = source_table_size(table);
	uint8_t page[TRACE_PAGE];

	for (size_t at = 0; at < size;) {
		struct trace_out out = begin(r);

		trace_put_table(&out, size);
		for (unsigned pages = 0; at < size && pages < TRACE_PAGES_MAX; at += TRACE_PAGE) {
			size_t length = size - at < TRACE_PAGE ? size - at : TRACE_PAGE;

			memset(page, 0, sizeof(page));
			memcpy(page, bytes + at, length);
			if (memcmp(page, zeros, sizeof(page)) == 0)
				continue;
			trace_put_page(&out, (uint32_t)(at / TRACE_PAGE), page);
			pages++;
		}
		write_frame(r, &out);
	}
}

int record_open(const char *path, const struct engine *engine, const struct source_table *table,
		uint64_t now_us, struct record **ret)
{
	struct trace_head head = { .version = PENSTOCK_VERSION,
				   .recorder = "penstock-sim",
				   .now_us = now_us,
				   .realtime_us = now_us,
				   .cores = engine->config.cores,
				   .seed = engine->seed };
	FILE *file = fopen(path, "we");
	struct record *r;
	struct trace_out out;

	if (!file)
		return -errno;
	r = grow_zeroed(1, sizeof(*r));
	r->file = file;
	r->bytes = grow_zeroed(1, TRACE_PAYLOAD_MAX);
	out = begin(r);
	trace_put_head(&out, &head);
	write_frame(r, &out);
	write_config(r, engine);
	if (table)
		write_table(r, table);
	*ret = r;
	return 0;
}

int record_close(struct record *r)
{
	struct trace_out out;
	int error;

	if (!r)
		return 0;
	out = begin(r);
	trace_put_end(&out, TRACE_END_STOPPED);
	write_frame(r, &out);
	error = ferror(r->file) ? EIO : 0;
	if (fclose(r->file) != 0)
		error = errno;
	free(r->bytes);
	free(r);
	return -error;
}

void record_order(struct record *r, const struct engine *engine, enum trace_order_kind kind,
		  uint64_t now_us)
{
	struct trace_order order = { .now_us = now_us,
				     .kind = kind,
				     .value = kind == TRACE_ORDER_STATE ? engine->view.state
									: engine->view.mode,
				     .until_us = engine->order_until_us };
	struct trace_out out;

	if (!r)
		return;
	memcpy(order.reason, engine->view.order_reason, sizeof(order.reason));
	out = begin(r);
	trace_put_order(&out, &order);
	write_frame(r, &out);
}

void record_restart(struct record *r)
{
	const struct trace_lost lost = { 0 };
	struct trace_out out;

	if (!r)
		return;
	out = begin(r);
	trace_put_lost(&out, &lost);
	write_frame(r, &out);
	r->ticks = 0;
}

void record_events(struct record *r, const struct source_event *events, unsigned count,
		   uint64_t now_us)
{
	struct trace_event *batch;

	if (!r)
		return;
	batch = grow_zeroed(TRACE_EVENTS_MAX, sizeof(*batch));
	for (unsigned at = 0; at < count;) {
		struct trace_out out = begin(r);
		unsigned n = 0;

		for (; at < count && n < TRACE_EVENTS_MAX; at++)
			batch[n++] = (struct trace_event){ now_us, events[at] };
		trace_put_events(&out, batch, n);
		write_frame(r, &out);
	}
	free(batch);
}

void record_inputs(struct record *r, const struct engine *engine, const struct sample *sample,
		   const struct load *load)
{
	if (!r)
		return;
	if (r->ticks++ % STATE_EVERY == 0) {
		r->out = begin(r);
		trace_put_engine(&r->out, engine);
		write_frame(r, &r->out);
	}
	r->out = begin(r);
	trace_put_tick(&r->out, sample->now_us, sample, load, engine->config.services);
}

void record_answer(struct record *r, const struct engine *engine, const struct plan *plan,
		   bool ranked)
{
	if (!r)
		return;
	trace_put_answer(&r->out, engine, plan, ranked);
	write_frame(r, &r->out);
}
