#include "front/asked.h"

#include <string.h>

#include "base/clock.h"

#define COMPLAIN_US (60 * US_PER_S)

int asked_open(struct asked *a, const struct front_env *env, const struct config_front *config,
	       struct streams_options *options, struct counts *counts, char *why)
{
	int r, index = config_service_index(env->config, config->service);

	options->listen = config->listen;
	options->connections_max = config->connections_max;
	options->idle_us = config->idle_us;
	memcpy(options->socket_mode, config->socket_mode, sizeof(options->socket_mode));
	a->env = env;
	a->counts = counts;
	a->service = index < 0 ? 0 : (unsigned)index;
	r = streams_open(env, options, counts, &a->streams, why);
	if (r == 0)
		counts->serves = 1ull << a->service;
	return r;
}

void asked_close(struct asked *a)
{
	streams_close(a->streams);
	a->streams = NULL;
}

bool asked_admits(struct asked *a, const struct in6_addr *address, bool address_known,
		  uint16_t port, char *reply)
{
	struct front_client client = { .address = *address,
				       .address_known = address_known,
				       .port = port,
				       .service = a->service };
	bool admit;

	if (!address_known)
		faultlog_note(&a->faultlog, &a->counts->faults, FAULT_ADDRESS_UNKNOWN,
			      clock_monotonic_us(), NULL);
	admit = a->env->desk->decide(a->env->context, &client, a->counts, reply).admit;
	return admit || a->draining;
}

bool asked_complains(struct asked *a)
{
	uint64_t now_us = clock_monotonic_us();

	a->counts->malformed++;
	if (a->complained_us && now_us - a->complained_us < COMPLAIN_US)
		return false;
	a->complained_us = now_us;
	return true;
}

bool asked_goes_on(const struct asked *a, const struct config_front *before,
		   const struct config_front *now)
{
	return memcmp(before, now, sizeof(*now)) == 0 &&
	       config_service_index(a->env->config, now->service) == (int)a->service;
}

void asked_poll(void *front, uint64_t now_us, struct load *load)
{
	const struct asked *a = front;

	front_poll_counts(a->env->config, a->counts, load);
}

void asked_state(const void *front, struct front_state *ret)
{
	ret->up = true;
}

void asked_drain(void *front)
{
	((struct asked *)front)->draining = true;
}
