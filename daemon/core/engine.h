/* sample + load -> plan, once a tick: pressure, window, level in order. The daemon, the
 * simulator, the replayer and the tests all call it. Pure: time comes in the sample, memory from
 * the caller, nothing else is touched. */
#ifndef PENSTOCK_CORE_ENGINE_H
#define PENSTOCK_CORE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/backlog.h"
#include "core/forecast.h"
#include "core/level.h"
#include "core/load.h"
#include "core/plan.h"
#include "core/pressure.h"
#include "core/sample.h"
#include "core/second_stage.h"
#include "core/told_rates.h"
#include "core/window.h"

enum engine_state { STATE_SERVING, STATE_DRAINING, STATE_MAINTENANCE, STATE_BLIND, STATE__COUNT };

struct engine_service {
	char name[32];
	enum plan_shed shed;
	uint16_t reply_code;
	/* its window is never above, nor above window.max; 0: only that holds */
	uint32_t window_max;
};

struct engine_config {
	double cores; /* that the MTA may use */
	double target[SIGNAL__COUNT]; /* 0: no pressure from it */
	struct window_config window;
	enum plan_mode mode;
	bool maintenance_trusted; /* in maintenance sources of source.trusted are admitted */
	uint64_t epoch_us; /* length of an epoch */
	unsigned services;
	struct engine_service service[PLAN_SERVICES];
};

/* What people may see of the engine after a step. */
struct engine_view {
	enum engine_state state;
	enum plan_mode mode;
	struct level level;
	struct pressure pressure;
	struct window_view window[PLAN_SERVICES];
	/* shed = last, and services that are shed first still have something to give */
	bool spared[PLAN_SERVICES];
	/* Of what was offered lately, the share that was admitted, as clients were told (in observe
	 * mode: all but the refusals of a drain); 1: nothing was offered. */
	double admit_ratio;
	/* 1 - admit_ratio of each service alone */
	double deferred_ratio[PLAN_SERVICES];
	/* observe mode: of what was offered, the share that enforcing would refuse */
	double would_defer_ratio;
	double demand_ratio; /* offered / what can be carried, of the service where it is largest;
			      * -1: not known. Over 1: overload */
	/* over the services that are shed; -1: not known */
	double in_flight, window_sum, window_max_sum;
	struct backlog_view backlog; /* of the queue behind the server */
	struct second_stage_view second_stage; /* of the filter behind that queue */
	bool foreign; /* pressure that refusing mail would not help */
	/* CLOCK_REALTIME as of the last step, 0: open; to be shown to people */
	uint64_t order_until_us;
	char order_reason[96];
};

struct engine {
	struct engine_config config;
	struct engine_view view;
	struct pressure_state pressure;
	struct level_state level;
	struct window window[PLAN_SERVICES];
	struct backlog backlog;
	struct second_stage second_stage;
	struct forecast forecast;
	struct told_rates told;
	/* for how long each service has refused clients without a break */
	double refusing_s[PLAN_SERVICES];
	uint64_t ticks, last_us, epoch, salt, seed;
	/* CLOCK_MONOTONIC, so that setting the wall clock does not end or extend a drain */
	uint64_t order_until_us;
	uint64_t sighted_us; /* when a sensor last worked */
};

/* Expects a validated configuration. The salts are made from `seed`. */
void engine_init(struct engine *engine, const struct engine_config *config, uint64_t seed);
/* What should survive a restart, as plain data for the state directory. */
struct engine_warm {
	double connect_220_base_us; /* 0: not learned */
	double filter_cost_s; /* CPU of a message in the filter (second_stage.h); 0: not learned */
	struct window_warm service[PLAN_SERVICES];
};
void engine_save(const struct engine *engine, struct engine_warm *ret_warm);
/* Call it after engine_init() and before the first step. Figures out of range are ignored. */
void engine_restore(struct engine *engine, const struct engine_warm *warm);
/* Another configuration. A service of another name in the same place begins with an empty
 * window. */
void engine_configure(struct engine *engine, const struct engine_config *config);
void engine_set_mode(struct engine *engine, enum plan_mode mode);
/* `state`: STATE_SERVING, STATE_DRAINING or STATE_MAINTENANCE. `until_us`: on the clock of
 * sample.now_us; 0: until the next order. */
void engine_order(struct engine *engine, enum engine_state state, uint64_t until_us,
		  const char *reason);
/* One tick. `sample` gains the derived signals (server_time_us, in_flight_count, ...). `ret_plan`
 * is written whole. */
void engine_step(struct engine *engine, struct sample *sample, const struct load *load,
		 uint64_t realtime_us, struct plan *ret_plan);

const char *engine_state_name(enum engine_state state);

#endif
