/* One service's window, fed by hand: what the sensors and fronts say to it, and the plan that it
 * makes. */
#ifndef PENSTOCK_WINDOW_WORLD_H
#define PENSTOCK_WINDOW_WORLD_H

#include <string.h>

#include "core/window.h"

static struct window window;
static struct window_config config;
static struct sample sample;
static struct load_service load;
static struct pressure pressure;
static struct plan_service plan;
static uint64_t now_us;
static bool blind;
static double unloaded_220_us, queue_allowed_per_s;

static int setup(void **state)
{
	config = (struct window_config){
		.cores = 1, .min = 4, .banner_objective_us = 500000, .wait_objective_us = 5000000
	};
	memset(&load, 0, sizeof(load));
	memset(&pressure, 0, sizeof(pressure));
	now_us = 1000000;
	blind = false;
	unloaded_220_us = queue_allowed_per_s = 0;
	sample_clear(&sample, now_us);
	window_init(&window, &config);
	return 0;
}

static void put(enum signal signal, double value)
{
	sample.value[signal] = value;
	sample.via[signal] = VIA_PROCFS;
	pressure.signal[signal] =
		signal_info[signal].target > 0 ? value / signal_info[signal].target : 0;
}

/* A tick, `dt_s` after the one before. */
static void step(double dt_s)
{
	struct window_input in = { .now_us = now_us += (uint64_t)(dt_s * 1e6),
				   .dt_s = dt_s,
				   .sample = &sample,
				   .pressure = &pressure,
				   .load = &load,
				   .connect_220_base_us = unloaded_220_us,
				   .queue_allowed_per_s = queue_allowed_per_s,
				   .blind = blind };

	window_step(&window, &in, &plan);
}

static inline void idle_machine(void)
{
	sample_clear(&sample, now_us);
	put(SIGNAL_CPU_STALL_RATIO, 0.1);
	put(SIGNAL_IO_STALL_RATIO, 0);
	put(SIGNAL_MEM_STALL_RATIO, 0);
	put(SIGNAL_MTA_CPU_CORES, 0.2);
}

/* Ticks of a tenth of a second, and one job each `every` ticks; 0: none. */
static inline void jobs(unsigned ticks, unsigned every, double in_flight, double busy)
{
	load.known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED;
	for (unsigned i = 1; i <= ticks; i++) {
		if (every && i % every == 0) {
			load.offered++;
			load.admitted++;
			load.completed++;
			load.finished++;
			load.session_us += 60000000;
			load.server_us += 10000;
		}
		load.busy_us += (uint64_t)(busy * 100000);
		load.in_flight = in_flight;
		load.busy = busy;
		step(0.1);
	}
}

/* What the fronts see of the sessions: all of it, or only how many there are. */
#define SEEN_ALL (LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED)
#define SEEN_FLIGHT (LOAD_IN_FLIGHT | LOAD_OFFERED)

/* `completed`, `offered`, `deferred` a second; T follows from `busy`. */
static inline void traffic(double seconds, double offered, double completed, double deferred,
			   double in_flight, double busy, uint32_t known)
{
	for (int i = 0; i < seconds * 10; i++) {
		load.known = known;
		load.offered += (uint64_t)(offered / 10);
		load.admitted += (uint64_t)((offered - deferred) / 10);
		load.deferred += (uint64_t)(deferred / 10);
		load.completed += (uint64_t)(completed / 10);
		load.busy_us += (uint64_t)(busy * 100000);
		load.in_flight = in_flight;
		load.busy = busy;
		step(0.1);
	}
}

/* assert_near() is a macro that asks twice. */
static inline void check_near(double value, double expected, double within)
{
	assert_near(value, expected, within);
}

#endif
