/* The gate beside another front of the same service: the other front decides, and the gate
 * resets clients that it has refused before. */
#ifndef PENSTOCK_FRONT_GATE_BESIDE_H
#define PENSTOCK_FRONT_GATE_BESIDE_H

#include "config/config.h"
#include "core/load.h"
#include "core/plan.h"
#include "kernel/gate.h"

enum gate_beside { GATE_BESIDE_NONE, GATE_BESIDE_POLICY, GATE_BESIDE_PROXY };

/* A copy of the proxy's token bucket. Begins as zeros. */
struct gate_beside_proxy {
	struct plan_bucket bucket; /* filled and emptied by what the proxy has admitted */
	uint64_t admitted; /* so far */
};

/* Which other front the service has: the policy service or the proxy. config/cross_check.c allows
 * both, if the gate resets. */
enum gate_beside gate_beside_of(const struct config *config);
/* The ports on which clients connect to the proxy: at most GATE_PORTS. The service's own ports are
 * behind it. */
void gate_beside_ports(const struct endpoints *listen, uint16_t *ret);
/* What the gate has to know of a proxy's load to decide as the proxy would. */
struct gate_other gate_beside_load(struct gate_beside_proxy *p, const struct config *config,
				   const struct plan_service *service, const struct load_service *l,
				   uint64_t now_us);

#endif
