#include "penstock-replay/replay.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "config/engine_config.h"
#include "core/sources_input.h"

void replay_init(struct replay *r, const struct replay_options *options,
		 const struct trace_head *head)
{
	memset(r, 0, sizeof(*r));
	r->options = *options;
	r->head = *head;
	r->table_synced = true;
}

void replay_done(struct replay *r)
{
	if (r->block)
		munmap(r->block, r->block_size);
	r->block = NULL;
}

void replay_gap(struct replay *r)
{
	r->synced = r->table_synced = false;
}

static bool is_what_if(const struct replay *r)
{
	return r->options.file || r->options.overrides_count;
}

/* Whether the user of this replay sets the mode; otherwise the trace does. */
static bool sets_mode(const struct replay *r)
{
	static const char key[] = "daemon.mode=";

	for (unsigned i = 0; i < r->options.overrides_count; i++)
		if (strncmp(r->options.overrides[i], key, sizeof(key) - 1) == 0)
			return true;
	return r->options.file != NULL;
}

/* ---- configuration -------------------------------------------------------------------------- */

static int load_config(struct replay *r, const struct trace_config *c, char *why)
{
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));
	struct config_source source = { .file = r->options.file,
					.overrides = r->options.overrides,
					.overrides_count = r->options.overrides_count };

	if (!errors)
		return -ENOMEM;
	if (!r->options.file) {
		source.text = c->text;
		source.text_length = c->length;
	}
	if (config_load(&source, &r->config, errors) < 0) {
		config_error_print(&errors->error[0], why, 512);
		return -EINVAL;
	}
	engine_config_from(&r->config, c->cores, &r->engine_config);
	return 0;
}

static int configure_table(struct replay *r, double cores)
{
	_cleanup_free_ struct source_config *config = NULL;

	if (!r->table)
		return 0;
	config = calloc(1, sizeof(*config));
	if (!config)
		return -ENOMEM;
	source_config_from(&r->config, cores, config);
	source_configure(r->table, config);
	return 0;
}

static int take_config(struct replay *r, const struct trace_config *c, char *why)
{
	bool first = !r->configured;
	int error = load_config(r, c, why);

	if (error < 0)
		return error;
	r->configured = true;
	if (first) {
		engine_init(&r->engine, &r->engine_config, r->head.seed);
		return 0;
	}
	engine_configure(&r->engine, &r->engine_config);
	return configure_table(r, c->cores);
}

/* ---- the state that the recorder found ------------------------------------------------------ */

static void take_table(struct replay *r, const struct trace_table *t)
{
	if (!r->block) {
		void *block = t->size ? mmap(NULL, t->size, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
				      : MAP_FAILED;

		if (block == MAP_FAILED) {
			r->table_synced = false;
			return;
		}
		r->block = block;
		r->block_size = t->size;
	}
	for (unsigned i = 0; i < t->pages; i++) {
		const uint8_t *item = t->page + i * (sizeof(uint32_t) + TRACE_PAGE);
		uint32_t number;
		uint64_t at;

		memcpy(&number, item, sizeof(number));
		at = (uint64_t)number * TRACE_PAGE;
		if (at < r->block_size)
			memcpy(r->block + at, item + sizeof(number),
			       r->block_size - at < TRACE_PAGE ? r->block_size - at : TRACE_PAGE);
	}
}

/* Opens the table of sources, once, when all of its pages were read. */
static void open_table(struct replay *r)
{
	if (!r->block || r->table || r->last_us)
		return;
	r->table = (struct source_table *)source_check(r->block, r->block_size);
	if (!r->table)
		r->table_synced = false;
	else if (is_what_if(r))
		configure_table(r, r->engine_config.cores);
}

/* Takes the recorded state only if ours is unknown. Otherwise the replayed engine goes on, so that
 * a growing difference shows. */
static void take_engine(struct replay *r, const struct trace_engine *e)
{
	enum plan_mode mode;

	if (r->synced || !r->configured)
		return;
	if (engine_restore_checkpoint(e->bytes, e->size, e->layout, &r->engine) < 0) {
		r->foreign_image = true;
		r->synced = r->last_us ==
			    0; /* it begins like the recorded one, without what that had learned */
		return;
	}
	r->synced = true;
	if (!is_what_if(r))
		return;
	mode = r->engine.view.mode;
	engine_configure(&r->engine, &r->engine_config);
	if (!sets_mode(r))
		engine_set_mode(&r->engine, mode);
}

static void take_order(struct replay *r, const struct trace_order *o)
{
	if (o->kind == TRACE_ORDER_STATE)
		engine_order(&r->engine, (enum engine_state)o->value, o->until_us, o->reason);
	else if (!sets_mode(r))
		engine_set_mode(&r->engine, (enum plan_mode)o->value);
}

/* ---- verdicts ------------------------------------------------------------------------------- */

static void count(struct replay_verdicts *v, bool admitted, uint8_t reason, uint32_t n)
{
	if (admitted) {
		v->admitted += n;
		return;
	}
	v->deferred += n;
	if (reason < REASON__COUNT)
		v->deferred_for[reason] += n;
}

static struct verdict decide(struct replay *r, const struct source_event *e, uint64_t now_us)
{
	const struct plan_service *service = &r->plan.service[e->service];
	struct plan_request q = { .now_us = now_us,
				  .service = e->service,
				  .score = PLAN_UNLIMITED };
	struct in6_addr address;
	struct plan_source source;
	struct verdict v;

	memcpy(&address, e->address, sizeof(address));
	q.in_flight = (uint32_t)fmax(0, r->in_flight[e->service]);
	if (r->load.service[e->service].known & LOAD_UNGREETED)
		q.ungreeted = (uint32_t)fmax(0, r->load.service[e->service].ungreeted);
	q.trusted = config_trusted(&r->config, &address);
	q.refused = config_refused(&r->config, &address);
	q.tokens_milli = plan_bucket_refill(&r->bucket[e->service], service, now_us);
	if (r->table) {
		source_lookup(r->table, e->address, now_us, &source);
		plan_rank(&r->plan, &source, &q);
	}
	v = plan_decide(&r->plan, &q);
	if (v.admit && !v.would_defer)
		plan_bucket_take(&r->bucket[e->service]);
	return v;
}

static void take_event(struct replay *r, const struct source_event *e, uint64_t now_us)
{
	uint32_t n = e->count ? e->count : 1;
	struct verdict v;

	if (e->service >= PLAN_SERVICES)
		return;
	if (e->kind == SOURCE_FINISHED)
		r->in_flight[e->service] -= n;
	if (e->kind != SOURCE_ATTEMPT)
		return;
	count(&r->recorded, e->admitted, e->reason, n);
	if (!r->last_us)
		return;
	v = decide(r, e, now_us);
	count(&r->replayed, v.admit, v.reason, n);
	if (v.admit)
		r->in_flight[e->service] += n;
}

/* The recorder reads the events of a proxy at the end of a tick, so they are spread over it
 * here. */
static void take_events(struct replay *r, const struct trace_events *events)
{
	for (unsigned i = 0; i < events->count; i++) {
		const struct trace_event *e = &events->event[i];
		uint64_t now_us = e->now_us;

		if (r->last_us && e->now_us > r->last_us)
			now_us = r->last_us + (uint64_t)((double)(e->now_us - r->last_us) *
							 (i + 1) / events->count);
		take_event(r, &e->event, now_us);
		if (r->table)
			sources_note(r->table, &e->event, 1, e->now_us);
	}
}

/* ---- ticks ---------------------------------------------------------------------------------- */

static void copy_ranks(struct plan *to, const struct plan *from)
{
	for (unsigned i = 0; i < PLAN_SERVICES; i++) {
		struct plan_service *t = &to->service[i];
		const struct plan_service *f = &from->service[i];

		memcpy(t->cutoff, f->cutoff, sizeof(t->cutoff));
		t->source_max = f->source_max;
		t->source_share = f->source_share;
		t->reserve_256 = f->reserve_256;
	}
}

static void compare(struct replay *r, const struct trace_tick *t, struct replay_tick *ret)
{
	struct plan ours = r->plan;

	ret->compared = r->synced;
	ret->ranked = !t->ranked || (r->table && r->table_synced);
	ret->first =
		trace_answer_differs(&t->answer, &ret->answer, &r->head.answers, ret->ranked, 0);
	ret->differs = ret->first >= 0;
	if (!t->plan_known || ret->differs)
		return;
	if (!ret->ranked)
		copy_ranks(&ours, &t->plan);
	/* A trace names its services in the configuration. */
	memcpy(ours.service_id, t->plan.service_id, sizeof(ours.service_id));
	ret->differs = memcmp(&ours, &t->plan, sizeof(ours)) != 0;
}

static void take_tick(struct replay *r, const struct trace_tick *t, struct replay_tick *ret)
{
	struct source_input in;

	memset(ret, 0, sizeof(*ret));
	ret->recorded = t;
	ret->sample = t->sample;
	engine_step(&r->engine, &ret->sample, &t->load, t->realtime_us, &r->plan);
	if (t->ranked && r->table) {
		source_input_from(&r->engine, &t->load, t->sample.now_us, t->realtime_us, &in);
		source_plan(r->table, &in, &r->plan);
	} else if (t->ranked && t->plan_known) {
		copy_ranks(&r->plan, &t->plan);
	}
	trace_answer_from(&r->engine.view, &r->plan, &ret->answer);
	ret->plan = r->plan;
	compare(r, t, ret);
	ret->verdicts_recorded = r->recorded;
	ret->verdicts_replayed = r->replayed;
	memset(&r->recorded, 0, sizeof(r->recorded));
	memset(&r->replayed, 0, sizeof(r->replayed));
	r->load = t->load;
	r->last_us = t->sample.now_us;
	for (unsigned i = 0; i < PLAN_SERVICES; i++)
		r->in_flight[i] = r->engine.view.mode == PLAN_OBSERVE
					  ? t->load.service[i].shadow_in_flight
					  : t->load.service[i].in_flight;
}

int replay_take(struct replay *r, const struct trace_record *record, struct replay_tick *ret_tick,
		char *why)
{
	if (record->type != TRACE_TABLE)
		open_table(r);
	switch (record->type) {
	case TRACE_CONFIG:
		return take_config(r, &record->config, why);
	case TRACE_TABLE:
		take_table(r, &record->table);
		return 0;
	case TRACE_ENGINE:
		take_engine(r, &record->engine);
		return 0;
	case TRACE_LOST:
		replay_gap(r);
		return 0;
	default:
		break;
	}
	if (!r->configured) {
		strcpy(why, "what came before the first tick is damaged: nothing can be replayed");
		return record->type == TRACE_TICK ? -EINVAL : 0;
	}
	if (record->type == TRACE_ORDER)
		take_order(r, &record->order);
	else if (record->type == TRACE_EVENTS)
		take_events(r, &record->events);
	else if (record->type == TRACE_TICK) {
		take_tick(r, &record->tick, ret_tick);
		return 1;
	}
	return 0;
}
