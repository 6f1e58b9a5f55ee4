#include "front/gate_beside.h"

#include <math.h>
#include <string.h>

void gate_beside_ports(const struct endpoints *listen, uint16_t *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < listen->count && n < GATE_PORTS; i++)
		if (listen->each[i].kind == ENDPOINT_INET)
			ret[n++] = endpoint_port(&listen->each[i]);
}

enum gate_beside gate_beside_of(const struct config *config)
{
	const char *service = config->gate.service;

	if (config->policy.enabled && strcmp(config->policy.service, service) == 0)
		return GATE_BESIDE_POLICY;
	if (config->proxy.enabled && strcmp(config->proxy.service, service) == 0)
		return GATE_BESIDE_PROXY;
	return GATE_BESIDE_NONE;
}

/* How many more clients the proxy would let wait, by the time that they would have to wait. */
static uint32_t room_of(uint64_t wait_us, const struct plan_service *service,
			const struct load_service *l)
{
	uint64_t hold_us = service->hold_us < wait_us ? service->hold_us : wait_us;
	double most = (double)service->pass_milli * (double)hold_us / 1e9;

	return (uint32_t)fmin(fmax(0, most - l->held), 1e6);
}

/* The proxy does not share its token bucket. This copy loses one token for each client that the
 * fronts admit. */
static uint32_t tokens_of_proxy(struct gate_beside_proxy *p, const struct plan_service *service,
				const struct load_service *l, uint64_t now_us)
{
	uint32_t tokens = plan_bucket_refill(&p->bucket, service, now_us);

	if (l->admitted > p->admitted && p->admitted)
		p->bucket.tokens_nano -= (int64_t)(l->admitted - p->admitted) * PLAN_TOKEN_NANO;
	p->admitted = l->admitted;
	return tokens == PLAN_UNLIMITED ? tokens : plan_bucket_milli(p->bucket.tokens_nano);
}

struct gate_other gate_beside_load(struct gate_beside_proxy *p, const struct config *config,
				   const struct plan_service *service, const struct load_service *l,
				   uint64_t now_us)
{
	return (struct gate_other){ .in_flight = (uint32_t)fmin(fmax(0, l->in_flight), 4e9),
				    .tokens_milli = tokens_of_proxy(p, service, l, now_us),
				    .room = room_of(config->wait_us, service, l) };
}
