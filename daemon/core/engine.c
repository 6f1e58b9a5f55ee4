#include "core/engine.h"

#include <string.h>

#include "core/law.h"
#include "core/smooth.h"
#include "core/splitmix.h"

/* Combines the salt with the number of the epoch. */
static uint64_t mix(uint64_t x)
{
	return splitmix_next(&x);
}

/* The configuration of one service's window. */
static struct window_config window_config_of(const struct engine_config *config, int service)
{
	struct window_config ret = config->window;
	uint32_t max = config->service[service].window_max;

	if (max && (!ret.max || max < ret.max))
		ret.max = max;
	return ret;
}

void engine_init(struct engine *engine, const struct engine_config *config, uint64_t seed)
{
	memset(engine, 0, sizeof(*engine));
	engine->seed = seed;
	level_init(&engine->level, 0);
	engine->view.admit_ratio = 1;
	engine->view.in_flight = engine->view.window_sum = engine->view.demand_ratio = -1;
	for (int i = 0; i < PLAN_SERVICES; i++) {
		struct window_config window = window_config_of(config, i);

		window_init(&engine->window[i], &window);
	}
	engine->config = *config;
	engine->view.mode = config->mode;
}

void engine_configure(struct engine *engine, const struct engine_config *config)
{
	for (int i = 0; i < PLAN_SERVICES; i++) {
		struct window_config window = window_config_of(config, i);

		/* What was learned of another service does not hold for this one. */
		if (strcmp(engine->config.service[i].name, config->service[i].name) == 0) {
			window_configure(&engine->window[i], &window);
			continue;
		}
		window_init(&engine->window[i], &window);
		told_rates_forget(&engine->told, (unsigned)i);
	}
	engine->config = *config;
	engine->view.mode = config->mode;
}

void engine_save(const struct engine *engine, struct engine_warm *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (engine->pressure.base_seen)
		ret->connect_220_base_us = engine->pressure.connect_220_base_us;
	ret->filter_cost_s = engine->second_stage.cost_s;
	for (int i = 0; i < PLAN_SERVICES; i++)
		window_save(&engine->window[i], &ret->service[i]);
}

void engine_restore(struct engine *engine, const struct engine_warm *warm)
{
	pressure_restore(&engine->pressure, warm->connect_220_base_us);
	second_stage_restore(&engine->second_stage, warm->filter_cost_s);
	for (int i = 0; i < PLAN_SERVICES; i++)
		window_restore(&engine->window[i], &warm->service[i]);
}

void engine_set_mode(struct engine *engine, enum plan_mode mode)
{
	engine->config.mode = engine->view.mode = mode;
}

void engine_order(struct engine *engine, enum engine_state state, uint64_t until_us,
		  const char *reason)
{
	size_t n = reason ? strlen(reason) : 0;

	if (n >= sizeof(engine->view.order_reason))
		n = sizeof(engine->view.order_reason) - 1;
	engine->view.state = state;
	engine->order_until_us = until_us;
	if (n)
		memcpy(engine->view.order_reason, reason, n);
	engine->view.order_reason[n] = 0;
}

/* Whether anything can be seen that the window could follow. The kernel always tells that a link is
 * up, and that says nothing of the load. */
static bool is_sighted(const struct engine *engine, const struct load *load)
{
	bool sighted = false;

	for (int r = 0; r < RESOURCE__COUNT; r++)
		sighted |= r != RESOURCE_NIC && engine->view.pressure.known[r];
	for (unsigned i = 0; i < engine->config.services; i++)
		sighted |= load->service[i].known != 0;
	return sighted;
}

static void step_state(struct engine *engine, const struct sample *sample, const struct load *load,
		       uint64_t realtime_us)
{
	struct engine_view *view = &engine->view;
	bool sighted = is_sighted(engine, load);

	if (sighted || engine->sighted_us == 0)
		engine->sighted_us = sample->now_us;
	if (engine->order_until_us != 0 && sample->now_us >= engine->order_until_us &&
	    (view->state == STATE_DRAINING || view->state == STATE_MAINTENANCE))
		engine_order(engine, STATE_SERVING, 0, NULL);
	view->order_until_us =
		engine->order_until_us ? realtime_us + engine->order_until_us - sample->now_us : 0;
	if (view->state == STATE_SERVING &&
	    sample->now_us - engine->sighted_us >= US_IN_S * BLIND_S)
		view->state = STATE_BLIND;
	else if (view->state == STATE_BLIND && sighted)
		view->state = STATE_SERVING;
}

/* What a service completes a second: jobs, or admissions if jobs cannot be seen. */
static double jobs_of(const struct engine *engine, unsigned i)
{
	const struct window *w = &engine->window[i];

	return w->view.law == LAW_CAPACITY ? w->rates.completed : w->rates.admitted;
}

static void step_backlog(struct engine *engine, double dt_s, struct sample *sample)
{
	struct backlog_view *b = &engine->view.backlog;
	double jobs = 0;

	for (unsigned i = 0; i < engine->config.services; i++)
		jobs += jobs_of(engine, i);
	backlog_step(&engine->backlog, sample_get(sample, SIGNAL_QUEUE_READY_COUNT, -1), jobs,
		     engine->config.target[SIGNAL_QUEUE_DRAIN_S], dt_s, b);
	second_stage_step(&engine->second_stage,
			  &(struct second_stage_input){
				  .sample = sample,
				  .dt_s = dt_s,
				  .jobs_per_s = jobs,
				  .saturation = engine->view.window[0].saturation,
				  .cores = engine->config.window.cores,
				  .target_s = engine->config.target[SIGNAL_QUEUE_DRAIN_S] },
			  &engine->view.second_stage);
	if (!b->known)
		return;
	sample_put(sample, SIGNAL_QUEUE_GROWTH_PER_S, b->growth_per_s > 0 ? b->growth_per_s : 0,
		   VIA_SPOOL);
	sample_put(sample, SIGNAL_QUEUE_DRAIN_S, b->drain_s, VIA_SPOOL);
}

/* The rate that the queue and the filter behind it allow; -1: any. */
static double behind_allows(const struct engine *engine)
{
	double queue = engine->view.backlog.allowed_per_s;
	double filter = engine->view.second_stage.allowed_per_s;

	return queue < 0 ? filter : filter < 0 ? queue : fmin(queue, filter);
}

/* A service's part of the rate that the queue allows, in proportion to its jobs. It is at least
 * half of an equal part, so that a service without jobs can begin to have some. -1: any rate. */
static double queue_share(const struct engine *engine, unsigned i)
{
	double jobs = 0, own = jobs_of(engine, i), alike, allowed = behind_allows(engine);

	if (allowed < 0)
		return -1;
	for (unsigned j = 0; j < engine->config.services; j++)
		jobs += jobs_of(engine, j);
	alike = 1 / (double)engine->config.services;
	return allowed * (jobs > 0 ? fmax(own / jobs, alike / 2) : alike);
}

/* Signals that the engine computes, and no sensor reads, are added to the sample. */
static void put_derived(struct engine *engine, const struct load *load, struct sample *sample)
{
	double in_flight = 0, busy = 0, time = -1;
	bool flight_known = false, busy_known = false;

	for (unsigned i = 0; i < engine->config.services; i++) {
		const struct load_service *l = &load->service[i];
		const struct window *w = &engine->window[i];

		if (l->known & LOAD_IN_FLIGHT) {
			in_flight += l->in_flight;
			flight_known = true;
		}
		if (l->known & LOAD_BUSY) {
			busy += l->busy;
			busy_known = true;
		}
		/* T as of the tick before. It means nothing if there is next to no traffic. */
		if (w->view.law == LAW_CAPACITY && w->view.server_time_s > time &&
		    (w->rates.completed >= TELLS_MIN_PER_S || w->rates.busy >= BUSY_MIN)) {
			time = w->view.server_time_s;
			engine->pressure.server_time_base_us = w->unloaded.time_s * US_IN_S;
		}
	}
	if (time >= 0)
		sample_put(sample, SIGNAL_SERVER_TIME_US, time * US_IN_S, VIA_FRONT);
	if (flight_known)
		sample_put(sample, SIGNAL_IN_FLIGHT_COUNT, in_flight, VIA_FRONT);
	if (busy_known)
		sample_put(sample, SIGNAL_BUSY_COUNT, busy, VIA_FRONT);
}

/* Whether no client is refused: what is counted as deferred is only what enforcing would refuse. */
static bool is_watching(const struct engine_view *view)
{
	return view->mode == PLAN_OBSERVE && view->state != STATE_DRAINING &&
	       view->state != STATE_MAINTENANCE;
}

/* Steps the window of each service, and adds the windows up. */
static void step_windows(struct engine *engine, struct sample *sample, const struct load *load,
			 double dt_s, struct plan *plan)
{
	struct engine_view *view = &engine->view;

	view->in_flight = view->window_sum = view->window_max_sum = -1;
	view->foreign = false;
	for (unsigned i = 0; i < engine->config.services; i++) {
		const struct engine_service *service = &engine->config.service[i];
		struct window *w = &engine->window[i];
		struct window_input in = { .now_us = sample->now_us,
					   .dt_s = dt_s,
					   .sample = sample,
					   .pressure = &view->pressure,
					   .load = &load->service[i],
					   .connect_220_base_us =
						   engine->pressure.connect_220_base_us,
					   .queue_allowed_per_s = queue_share(engine, i),
					   .blind = view->state == STATE_BLIND };

		plan->service_id[i] = plan_service_id(service->name);
		plan->service[i].reply_code = service->reply_code;
		plan->service[i].shed = (uint8_t)service->shed;
		/* No bounds; source_plan() may set some. */
		plan->service[i].source_max = plan->service[i].source_share = PLAN_UNLIMITED;
		window_step(w, &in, &plan->service[i]);
		view->window[i] = w->view;
		if (load->service[i].known & LOAD_IN_FLIGHT)
			view->in_flight = fmax(0, view->in_flight) + load->service[i].in_flight;
		view->foreign |= w->view.foreign;
		if (w->view.law == LAW_OPEN || service->shed == PLAN_SHED_NO)
			continue;
		view->window_sum = fmax(0, view->window_sum) + w->view.window;
		if (w->view.hard >= 0)
			view->window_max_sum = fmax(0, view->window_max_sum) + w->view.hard;
	}
}

/* What can be carried, connections a second. While places are short that is what is completed, even
 * if the law expects more: a limit may hold the window, or something that the law does not see. But
 * the completions say that only once sessions have had the time to finish twice over. */
static double carried_per_s(const struct engine *engine, const struct load_service *l, unsigned i)
{
	const struct window *w = &engine->window[i];
	bool short_of_places = w->view.refusing && l->known & LOAD_IN_FLIGHT &&
			       l->in_flight + 1 >= FULL * w->view.window;

	if (short_of_places && engine->refusing_s[i] > 2 * w->view.server_time_s)
		return fmax(1, fmin(w->view.passing_per_s, w->capacity.completed_lag));
	return w->view.passing_per_s;
}

/* What clients are told now, and how much is offered for what can be carried. */
static void step_ratios(struct engine *engine, const struct load *load, double dt_s)
{
	struct engine_view *view = &engine->view;
	double ratio = told_rates_deferred(&engine->told);

	view->demand_ratio = -1;
	for (unsigned i = 0; i < engine->config.services; i++) {
		const struct window *w = &engine->window[i];

		engine->refusing_s[i] = w->view.refusing ? engine->refusing_s[i] + dt_s : 0;
		if (w->view.law == LAW_CAPACITY && w->view.passing_per_s > 0)
			view->demand_ratio = fmax(
				view->demand_ratio,
				w->rates.offered / carried_per_s(engine, &load->service[i], i));
	}
	view->would_defer_ratio = is_watching(view) ? ratio : 0;
	view->admit_ratio = is_watching(view) ? 1 : 1 - ratio;
	for (unsigned i = 0; i < engine->config.services; i++)
		view->deferred_ratio[i] =
			is_watching(view) ? 0 : told_rates_deferred_by(&engine->told, i);
}

/* Whether a service has nothing left to give: its window is at its minimum, and it refuses. */
static bool is_exhausted(const struct engine *engine, unsigned i)
{
	const struct window_view *w = &engine->view.window[i];

	return w->law != LAW_OPEN && w->refusing && w->window <= engine->config.window.min + HALF;
}

/* A service with shed = last is limited only when every service with shed = yes has nothing left to
 * give. */
static void spare_the_last(struct engine *engine, struct plan *plan)
{
	unsigned first = 0, exhausted = 0;

	for (unsigned i = 0; i < engine->config.services; i++) {
		if (engine->config.service[i].shed != PLAN_SHED_YES)
			continue;
		first++;
		exhausted += is_exhausted(engine, i);
	}
	for (unsigned i = 0; i < engine->config.services; i++) {
		struct plan_service *s = &plan->service[i];

		engine->view.spared[i] = engine->config.service[i].shed == PLAN_SHED_LAST &&
					 first && exhausted < first;
		if (!engine->view.spared[i])
			continue;
		s->window = s->ungreeted_max = s->rate_milli = PLAN_UNLIMITED;
		s->burst_milli = s->greeting_timeout_us = s->hold_us = s->pass_milli = 0;
	}
}

static bool hard_refusal(const struct engine *engine)
{
	for (unsigned i = 0; i < engine->config.services; i++)
		if (engine->view.window[i].hard_binds && engine->view.window[i].refusing)
			return true;
	return false;
}

static enum plan_order order_of(enum engine_state state)
{
	switch (state) {
	case STATE_DRAINING:
		return PLAN_DRAIN;
	case STATE_MAINTENANCE:
		return PLAN_MAINTENANCE;
	case STATE_BLIND:
		return PLAN_BLIND;
	default:
		return PLAN_SERVE;
	}
}

void engine_step(struct engine *engine, struct sample *sample, const struct load *load,
		 uint64_t realtime_us, struct plan *ret_plan)
{
	struct engine_view *view = &engine->view;
	struct plan plan = { .magic = PLAN_MAGIC, .version = PLAN_VERSION };
	double dt_s = engine->last_us && sample->now_us > engine->last_us
			      ? (double)(sample->now_us - engine->last_us) / US_IN_S
			      : 1; /* the first tick: no time has passed */
	struct level_input level = { .now_us = sample->now_us };

	put_derived(engine, load, sample);
	step_backlog(engine, dt_s, sample);
	forecast_step(&engine->forecast, sample);
	pressure_step(&engine->pressure, engine->config.target, sample, dt_s, &view->pressure);
	step_state(engine, sample, load, realtime_us);
	step_windows(engine, sample, load, dt_s, &plan);
	spare_the_last(engine, &plan);
	for (unsigned i = 0; i < engine->config.services; i++)
		plan.service[i].trusted_pass = engine->config.maintenance_trusted;
	told_rates_step(&engine->told, order_of(view->state), view->mode, load,
			engine->config.services, dt_s);
	step_ratios(engine, load, dt_s);
	level.pressure = view->pressure.combined;
	/* The state, and not the level, shows what an operator ordered. In observe mode, and
	 * without any sensor, no client is refused. */
	level.spares = view->state != STATE_SERVING || view->mode == PLAN_OBSERVE;
	level.admit_ratio = level.spares ? 1 : view->admit_ratio;
	level.hard = !level.spares && hard_refusal(engine);
	level_step(&engine->level, &level);
	view->level = engine->level.level;

	engine->last_us = sample->now_us;
	engine->ticks++;
	engine->epoch = sample->now_us / engine->config.epoch_us;
	engine->salt = mix(engine->seed ^ engine->epoch);
	plan.heartbeat_us = sample->now_us;
	plan.epoch = engine->epoch;
	plan.salt = engine->salt;
	plan.order = (uint8_t)order_of(view->state);
	plan.order_until_us = view->order_until_us;
	plan.mode = (uint8_t)view->mode;
	plan.level = (uint8_t)view->level.number;
	plan.services = (uint8_t)engine->config.services;
	plan.tick = (uint32_t)engine->ticks;
	*ret_plan = plan;
}

const char *engine_state_name(enum engine_state state)
{
	static const char *const names[STATE__COUNT] = { "serving", "draining", "maintenance",
							 "blind" };

	return state < STATE__COUNT ? names[state] : "unknown";
}
