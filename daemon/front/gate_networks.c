#include "front/gate_networks.h"

#include <string.h>

#include "base/log.h"
#include "kernel/gate.h"

static int push_list(struct gate *gate, const struct config_networks *networks,
		     int (*push)(struct gate *gate, const struct gate_network *networks,
				 unsigned count))
{
	struct gate_network list[CONFIG_NETWORKS];

	for (unsigned i = 0; i < networks->count; i++)
		list[i] = (struct gate_network){ .address = networks->network[i].address,
						 .bits = networks->network[i].bits };
	return push(gate, list, networks->count);
}

void gate_networks_push(struct gate *gate, const struct config *config)
{
	int r = push_list(gate, &config->sources.trusted, gate_trusted);

	if (r < 0)
		log_error(
			"Cannot tell the gate every network of source.trusted: %s. Clients of the others are decided by load.",
			strerror(-r));
	r = push_list(gate, &config->sources.refused, gate_refused);
	if (r < 0)
		log_error(
			"Cannot tell the gate every network of source.refused: %s. Clients of the others are decided by load.",
			strerror(-r));
}
