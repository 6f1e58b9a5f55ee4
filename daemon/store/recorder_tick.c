/* The tick's part of the recorder. It copies into the ring, and never waits, allocates (except at a
 * reload) or touches a file. */
#include "store/recorder_parts.h"

#include <stdlib.h>
#include <string.h>

#define STATE_EVERY 600u /* ticks between two checkpoints of the engine */
#define EVENTS_A_TICK 8192u /* events recorded in a tick; more are counted as lost */

static bool is_off(const struct recorder *r)
{
	return !r || atomic_load_explicit(&r->stopped, memory_order_relaxed);
}

static struct trace_out begin(struct recorder *r)
{
	return (struct trace_out){ .bytes = r->scratch, .size = TRACE_PAYLOAD_MAX };
}

static bool put(struct recorder *r, const struct trace_out *out)
{
	if (!r->behind && !out->cut && ring_put(&r->ring, out->bytes, (uint32_t)out->length))
		return true;
	/* After a loss, records make no sense until the engine's state has been recorded again. */
	r->behind = true;
	return false;
}

static void flush_events(struct recorder *r)
{
	struct trace_out out = begin(r);

	if (!r->pending_count)
		return;
	trace_put_events(&out, r->pending, r->pending_count);
	if (!put(r, &out)) {
		r->lost.events += r->pending_count;
		atomic_fetch_add(&r->events_lost, r->pending_count);
	}
	r->pending_count = 0;
}

void recorder_events(struct recorder *r, const struct source_event *events, unsigned count,
		     uint64_t now_us)
{
	if (is_off(r))
		return;
	for (unsigned i = 0; i < count; i++) {
		if (r->events_of_tick == EVENTS_A_TICK) {
			r->lost.events += count - i;
			atomic_fetch_add(&r->events_lost, count - i);
			return;
		}
		r->events_of_tick++;
		r->pending[r->pending_count++] = (struct trace_event){ now_us, events[i] };
		if (r->pending_count == TRACE_EVENTS_MAX)
			flush_events(r);
	}
}

void recorder_config(struct recorder *r, double cores, const char *text, size_t length)
{
	struct trace_out out;
	char *copy;

	if (is_off(r))
		return;
	flush_events(r);
	copy = malloc(length + 1);
	if (!copy)
		return;
	memcpy(copy, text, length);
	free(r->config);
	r->config = copy;
	r->config_length = length;
	r->cores = cores;
	out = begin(r);
	trace_put_config(&out, cores, text, length);
	put(r, &out);
}

void recorder_order(struct recorder *r, const struct trace_order *order)
{
	struct trace_out out;

	if (is_off(r))
		return;
	flush_events(r);
	out = begin(r);
	trace_put_order(&out, order);
	put(r, &out);
}

/* Once half of the ring is free again, records how much was lost, and all that a replay needs to
 * continue. */
static void catch_up(struct recorder *r)
{
	struct trace_out out = begin(r);

	if ((!r->behind && !r->lost.events) || ring_room(&r->ring) < r->ring.size / 2)
		return;
	r->behind = false;
	trace_put_lost(&out, &r->lost);
	put(r, &out);
	out = begin(r);
	trace_put_config(&out, r->cores, r->config, r->config_length);
	put(r, &out);
	r->lost = (struct trace_lost){ 0 };
	r->ticks = 0;
}

void recorder_inputs(struct recorder *r, const struct engine *engine, const struct sample *sample,
		     const struct load *load, uint64_t realtime_us)
{
	struct trace_out out;

	if (is_off(r))
		return;
	flush_events(r);
	r->events_of_tick = 0;
	catch_up(r);
	if (r->ticks % STATE_EVERY == 0 && !r->behind) {
		out = begin(r);
		trace_put_engine(&out, engine);
		put(r, &out);
	}
	r->out = begin(r);
	trace_put_tick(&r->out, realtime_us, sample, load, engine->config.services);
}

void recorder_answer(struct recorder *r, const struct engine *engine, const struct plan *plan,
		     bool ranked)
{
	if (is_off(r) || !r->out.bytes)
		return;
	trace_put_answer(&r->out, engine, plan, ranked);
	if (put(r, &r->out)) {
		r->ticks++;
	} else {
		r->lost.ticks++;
		atomic_fetch_add(&r->ticks_lost, 1);
	}
	r->out.bytes = NULL;
}
