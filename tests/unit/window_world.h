/* One service's window, fed by hand: what the sensors and fronts say to it, and the plan that it
 * makes. */
#ifndef PENSTOCK_WINDOW_WORLD_H
#define PENSTOCK_WINDOW_WORLD_H

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

#endif
