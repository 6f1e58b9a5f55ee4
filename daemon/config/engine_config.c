#include "config/engine_config.h"

#include <stdio.h>
#include <string.h>

#define EPOCH_US UINT64_C(60000000)
#define SLOTS_SHARE 0.95 /* share of the server's slots, so that one is left for health checks */

/* How many sessions the window may hold for so many slots; 0: not known. */
static uint32_t of_slots(uint32_t slots)
{
	return slots > 1 ? (uint32_t)(SLOTS_SHARE * slots) : slots;
}

void engine_config_from(const struct config *config, double cores, struct engine_config *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->cores = ret->window.cores = cores;
	memcpy(ret->target, config->target, sizeof(ret->target));
	ret->target[SIGNAL_CONNECT_220_P99_US] = (double)config->banner_p99_us;
	ret->mode = config->mode;
	ret->epoch_us = EPOCH_US;
	ret->window.min = config->window_min;
	ret->window.max = config->window_max;
	ret->window.banner_objective_us = (double)config->banner_p99_us;
	ret->window.wait_objective_us = (double)config->wait_us;
	ret->window.memory_reserve_bytes = (double)config->memory_reserve_bytes;
	ret->window.disk_reserve_bytes = (double)config->disk_reserve_bytes;
	ret->maintenance_trusted = config->maintenance.trusted_pass;
	ret->services = config->services;
	for (unsigned i = 0; i < config->services; i++) {
		snprintf(ret->service[i].name, sizeof(ret->service[i].name), "%s",
			 config->service[i].name);
		ret->service[i].shed = config->service[i].shed;
		ret->service[i].reply_code = config->service[i].reply_code;
		ret->service[i].window_max = of_slots(config->service[i].slots);
	}
}

/* Each pool of a configuration has a place in the table of sources. */
_Static_assert(CONFIG_POOLS <= SOURCE_POOLS, "pools of the configuration");

void source_config_from(const struct config *config, double cores, struct source_config *ret)
{
	const struct config_source_options *o = &config->sources;

	memset(ret, 0, sizeof(*ret));
	ret->ledger_bytes = o->ledger_bytes;
	ret->rate_bytes = config_rate_bytes(o);
	ret->cores = cores;
	ret->longest_deferral_s = (uint32_t)(config->longest_deferral_us / 1000000);
	ret->longest_attempts = config->longest_attempts;
	ret->proper_s = (uint32_t)(o->proper_us / 1000000);
	ret->rate_max = o->rate_max;
	ret->sessions_max = o->sessions_max;
	for (unsigned i = 0; i < config->pools; i++) {
		const struct config_pool *pool = &config->pool[i];
		struct source_pool *to = &ret->pool[ret->pools++];

		snprintf(to->name, sizeof(to->name), "%s", pool->name);
		to->weight = pool->weight;
		to->patience_s = (uint32_t)(pool->patience_us / 1000000);
		for (unsigned n = 0; n < pool->networks.count && ret->networks < SOURCE_NETWORKS;
		     n++) {
			struct source_network *network = &ret->network[ret->networks++];

			memcpy(network->address, &pool->networks.network[n].address,
			       sizeof(network->address));
			network->bits = pool->networks.network[n].bits;
			network->pool = (uint8_t)i;
		}
	}
}
