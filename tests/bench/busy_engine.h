/* An engine with one service of which all is known, halfway to every target: what a tick costs. */
#ifndef PENSTOCK_BUSY_ENGINE_H
#define PENSTOCK_BUSY_ENGINE_H

#include "core/engine.h"

static struct engine engine;
static struct load load;

static void engine_begin(void)
{
	static struct engine_config config = { .cores = 4, .services = 1, .epoch_us = 60000000 };

	config.window.cores = 4;
	config.window.min = 4;
	for (int i = 0; i < SIGNAL__COUNT; i++)
		config.target[i] = signal_info[i].target;
	engine_init(&engine, &config, 1);
	load.service[0].known =
		LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED;
}

/* `sample_us`: the time of the sample; `now_us`: what the engine takes for the time of day. */
static void engine_tick(uint64_t sample_us, uint64_t now_us, struct plan *plan)
{
	struct sample sample;

	sample_clear(&sample, sample_us);
	for (int s = 0; s < SIGNAL__COUNT; s++)
		sample_put(&sample, (enum signal)s, signal_info[s].target / 2, VIA_PROCFS);
	load.service[0].completed += 10;
	load.service[0].offered += 11;
	load.service[0].admitted += 10;
	load.service[0].in_flight = load.service[0].busy = 5;
	engine_step(&engine, &sample, &load, now_us, plan);
}

#endif
