/* The hosts of a run, taken together. */
#include "penstock-sim/world.h"

#include <stdlib.h>
#include <string.h>

#include "config/engine_config.h"
#include "penstock-sim/grow.h"

void run_configure(const struct scenario *s, struct engine_config *ret)
{
	struct config *config = grow_zeroed(1, sizeof(*config));

	config_defaults(config);
	engine_config_from(config, s->plant.machine_cores, ret);
	if (s->slots_known > 0)
		ret->window.max = (uint32_t)(0.95 * s->slots_known);
	ret->window.without = s->without;
	free(config);
}

void run_counts(const struct run *r, struct counts_service *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < r->hosts; i++)
		counts_add(ret, &r->host[i].plant.counts);
}

double run_capacity(const struct run *r)
{
	double sum = 0;

	for (unsigned i = 0; i < r->hosts; i++)
		if (r->host[i].down <= 0)
			sum += plant_capacity(&r->host[i].plant);
	return sum;
}
