#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/trace.h"

/* What a record points to can be read. */
static void touch(const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((volatile const uint8_t *)bytes)[i];
}

static void look(const struct trace_record *r, const struct trace_head *head)
{
	static struct engine engine;

	if (r->type == TRACE_CONFIG)
		touch(r->config.text, r->config.length);
	else if (r->type == TRACE_TABLE)
		touch(r->table.page, r->table.pages * (sizeof(uint32_t) + TRACE_PAGE));
	else if (r->type == TRACE_ENGINE)
		engine_restore_checkpoint(r->engine.bytes, r->engine.size, engine_layout(),
					  &engine);
	else if (r->type == TRACE_EVENTS && r->events.count > TRACE_EVENTS_MAX)
		abort();
	else if (r->type == TRACE_TICK)
		trace_answer_differs(&r->tick.answer, &r->tick.answer, &head->answers, true, 0);
}

/* An engine that steps on what was read. */
static void give(const struct trace_record *r, struct engine *engine)
{
	struct sample sample;
	struct plan plan;

	if (r->type != TRACE_TICK)
		return;
	sample = r->tick.sample;
	engine_step(engine, &sample, &r->tick.load, r->tick.realtime_us, &plan);
}

static void read_all(const uint8_t *data, size_t size)
{
	static struct trace_record record;
	static struct trace_head head;
	static struct engine engine;
	struct engine_config config = { .cores = 1, .epoch_us = 60000000, .services = 2 };
	struct trace_reader reader = { .bytes = data, .size = size };
	const void *payload;
	size_t length, skipped = 0;
	bool known = false;
	int r;

	config.window.min = 4;
	engine_init(&engine, &config, 1);
	while ((r = trace_next(&reader, &payload, &length, &skipped)) != 0) {
		if (reader.at > size || (r < 0 && skipped == 0))
			abort();
		if (r < 0 || trace_get(payload, length, known ? &head : NULL, &record) < 0)
			continue;
		if (!known)
			head = record.head;
		else
			give(&record, &engine);
		known = true;
		look(&record, &head);
	}
}

/* As it is; and as payloads (a length of two bytes before each) in sound frames, behind a sound
 * head when the first byte says so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[1 << 16];
	struct trace_out out;
	struct trace_head head = { .version = "fuzz", .recorder = "fuzz", .cores = 1 };
	size_t at = 0, from = 1;

	read_all(data, size);
	if (size < 3)
		return 0;
	if (data[0] & 1) {
		out = (struct trace_out){ .bytes = bytes + sizeof(struct frame_head),
					  .size = sizeof(bytes) - sizeof(struct frame_head) };
		trace_put_head(&out, &head);
		frame_head((struct frame_head *)bytes, &trace_kind, FRAME_SUMMED, out.bytes,
			   out.length);
		at = sizeof(struct frame_head) + out.length;
	}
	while (from + 2 <= size) {
		size_t length = data[from] | (size_t)data[from + 1] << 8;
		struct frame_head frame;

		from += 2;
		if (length > size - from)
			length = size - from;
		if (at + sizeof(frame) + length > sizeof(bytes))
			break;
		frame_head(&frame, &trace_kind, FRAME_SUMMED, data + from, length);
		memcpy(bytes + at, &frame, sizeof(frame));
		memcpy(bytes + at + sizeof(frame), data + from, length);
		at += sizeof(frame) + length;
		from += length;
	}
	read_all(bytes, at);
	return 0;
}
