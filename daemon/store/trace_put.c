#include "store/trace_bytes.h"

#include <stddef.h>

const struct frame_kind trace_kind = { "TRAC", 2 };

static void put_text(struct trace_out *out, const char *text)
{
	size_t length = strlen(text);

	TRACE_PUT(out, uint8_t, (uint8_t)(length < 255 ? length : 255));
	trace_put(out, text, length < 255 ? length : 255);
}

static void put_names(struct trace_out *out, const char *const *names, unsigned count)
{
	TRACE_PUT(out, uint16_t, (uint16_t)count);
	for (unsigned i = 0; i < count; i++)
		put_text(out, names[i]);
}

void trace_put_head(struct trace_out *out, const struct trace_head *head)
{
	TRACE_PUT(out, uint32_t, TRACE_HEAD);
	put_text(out, head->version);
	put_text(out, head->recorder);
	TRACE_PUT(out, uint64_t, head->now_us);
	TRACE_PUT(out, uint64_t, head->realtime_us);
	TRACE_PUT(out, double, head->cores);
	TRACE_PUT(out, uint64_t, head->seed);
	TRACE_PUT(out, uint16_t, SIGNAL__COUNT);
	for (int i = 0; i < SIGNAL__COUNT; i++)
		put_text(out, signal_info[i].name);
	put_names(out, trace_common_name, TRACE_COMMON);
	put_names(out, trace_service_name, TRACE_OF_SERVICE);
}

void trace_put_config(struct trace_out *out, double cores, const char *text, size_t length)
{
	TRACE_PUT(out, uint32_t, TRACE_CONFIG);
	TRACE_PUT(out, double, cores);
	TRACE_PUT(out, uint32_t, (uint32_t)length);
	trace_put(out, text, length);
}

void trace_put_table(struct trace_out *out, uint64_t size)
{
	TRACE_PUT(out, uint32_t, TRACE_TABLE);
	TRACE_PUT(out, uint64_t, size);
}

void trace_put_page(struct trace_out *out, uint32_t number, const void *bytes)
{
	TRACE_PUT(out, uint32_t, number);
	trace_put(out, bytes, TRACE_PAGE);
}

void trace_put_engine(struct trace_out *out, const struct engine *engine)
{
	TRACE_PUT(out, uint32_t, TRACE_ENGINE);
	TRACE_PUT(out, uint64_t, engine_layout());
	trace_put(out, engine, sizeof(*engine));
}

void trace_put_order(struct trace_out *out, const struct trace_order *order)
{
	TRACE_PUT(out, uint32_t, TRACE_ORDER);
	TRACE_PUT(out, uint64_t, order->now_us);
	TRACE_PUT(out, uint8_t, (uint8_t)order->kind);
	TRACE_PUT(out, uint8_t, (uint8_t)order->value);
	TRACE_PUT(out, uint64_t, order->until_us);
	put_text(out, order->reason);
}

void trace_put_events(struct trace_out *out, const struct trace_event *events, unsigned count)
{
	TRACE_PUT(out, uint32_t, TRACE_EVENTS);
	TRACE_PUT(out, uint32_t, count);
	trace_put(out, events, count * sizeof(*events));
}

static void put_load(struct trace_out *out, const struct load_service *l)
{
	const uint64_t counters[] = { l->offered,     l->admitted,  l->deferred,
				      l->would_defer, l->completed, l->finished,
				      l->busy_us,     l->server_us, l->session_us };
	const double gauges[] = { l->in_flight, l->shadow_in_flight, l->busy, l->ungreeted };
	const uint64_t held[] = { l->held_admitted, l->held_in_vain, l->held_left };

	TRACE_PUT(out, uint32_t, l->known);
	trace_put(out, counters, sizeof(counters));
	trace_put(out, gauges, sizeof(gauges));
	trace_put(out, held, sizeof(held));
	TRACE_PUT(out, double, l->held);
	TRACE_PUT(out, double, l->held_longest_s);
	if (l->known & LOAD_STUCK)
		TRACE_PUT(out, double, l->stuck);
}

void trace_put_tick(struct trace_out *out, uint64_t realtime_us, const struct sample *sample,
		    const struct load *load, unsigned services)
{
	uint16_t present = 0;

	for (int i = 0; i < SIGNAL__COUNT; i++)
		present += sample->via[i] != VIA_NONE;
	TRACE_PUT(out, uint32_t, TRACE_TICK);
	TRACE_PUT(out, uint64_t, sample->now_us);
	TRACE_PUT(out, uint64_t, realtime_us);
	TRACE_PUT(out, uint16_t, present);
	for (int i = 0; i < SIGNAL__COUNT; i++) {
		if (sample->via[i] == VIA_NONE)
			continue;
		TRACE_PUT(out, uint8_t, (uint8_t)i);
		TRACE_PUT(out, uint8_t, sample->via[i]);
		TRACE_PUT(out, double, sample->value[i]);
	}
	TRACE_PUT(out, uint8_t, (uint8_t)services);
	for (unsigned i = 0; i < services; i++)
		put_load(out, &load->service[i]);
}

void trace_put_answer(struct trace_out *out, const struct engine *engine, const struct plan *plan,
		      bool ranked)
{
	struct trace_answer answer;
	size_t size;

	trace_answer_from(&engine->view, plan, &answer);
	size = offsetof(struct plan, service) + answer.services * sizeof(plan->service[0]);
	TRACE_PUT(out, uint8_t, ranked);
	TRACE_PUT(out, uint32_t, PLAN_VERSION);
	TRACE_PUT(out, uint8_t, (uint8_t)answer.services);
	TRACE_PUT(out, uint16_t, (uint16_t)size);
	trace_put(out, plan, offsetof(struct plan, service));
	trace_put(out, plan->service, answer.services * sizeof(plan->service[0]));
	trace_put(out, answer.common, sizeof(answer.common));
	for (unsigned i = 0; i < answer.services; i++)
		trace_put(out, answer.service[i], sizeof(answer.service[i]));
}

void trace_put_lost(struct trace_out *out, const struct trace_lost *lost)
{
	TRACE_PUT(out, uint32_t, TRACE_LOST);
	TRACE_PUT(out, uint64_t, lost->ticks);
	TRACE_PUT(out, uint64_t, lost->events);
}

void trace_put_end(struct trace_out *out, enum trace_end end)
{
	TRACE_PUT(out, uint32_t, TRACE_END);
	TRACE_PUT(out, uint8_t, (uint8_t)end);
}
