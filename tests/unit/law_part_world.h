/* A part of the law by itself (core/window_parts.h): a tick of .1 s as the part sees it, on a
 * machine with four cores and nothing measured. */
#ifndef PENSTOCK_LAW_PART_WORLD_H
#define PENSTOCK_LAW_PART_WORLD_H

#include <string.h>

#include "core/window_parts.h"

#define TICK_S .1
#define NOW_US 1000000u

static struct window_config config;
static struct window_view before;
static struct sample sample;
static struct load_service load;
static struct window_input input;
static struct observation tick;
static struct rates rates;

static void tick_init(void)
{
	config = (struct window_config){ .cores = 4, .min = 4 };
	before = (struct window_view){ .window = 100 };
	memset(&load, 0, sizeof(load));
	memset(&rates, 0, sizeof(rates));
	sample_clear(&sample, NOW_US);
	input = (struct window_input){ .now_us = NOW_US, .sample = &sample, .load = &load };
	tick = (struct observation){
		.in = &input, .config = &config, .before = &before, .dt = TICK_S, .cores = 4
	};
}

#endif
