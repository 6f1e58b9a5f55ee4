/* An address that stands for many clients: docker's userland proxy, a NAT, a load balancer that
 * does not pass on the clients' addresses. All clients behind it count as one source, so in an
 * overload they share one part of the window. */
#include <string.h>

#include "core/source_parts.h"

/* Which addresses are private: see struct source_shared. */
static bool source_is_private(const uint8_t *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t loopback[16] = { [15] = 1 };
	const uint8_t *a = address + 12;

	if (memcmp(address, mapped, sizeof(mapped)) == 0)
		return a[0] == 10 || a[0] == 127 || (a[0] == 172 && (a[1] & 0xf0) == 16) ||
		       (a[0] == 192 && a[1] == 168) || (a[0] == 169 && a[1] == 254) ||
		       (a[0] == 100 && (a[1] & 0xc0) == 64); /* RFC 1918, 3927, 6598 */
	return (address[0] & 0xfe) == 0xfc || /* RFC 4193 */
	       (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) ||
	       memcmp(address, loopback, sizeof(loopback)) == 0;
}

void shared_step(struct source_table *t, uint64_t now_us)
{
	if (now_us >= t->connections_us && now_us - t->connections_us < RATE_EPOCH_US)
		return;
	t->connections[1] = now_us - t->connections_us < 2 * RATE_EPOCH_US ? t->connections[0] : 0;
	t->connections[0] = 0;
	t->connections_us = now_us;
}

/* Connections of all sources in the last minute, counted as the sketch counts those of one
 * address. */
static double connections(const struct source_table *t)
{
	double ran = (double)(t->stepped_us - t->connections_us) / (double)RATE_EPOCH_US;

	return (double)t->connections[0] + (double)t->connections[1] * (1 - (ran < 1 ? ran : 1));
}

void source_shared(const struct source_table *t, struct source_shared *ret)
{
	const struct source_top *most = NULL;
	struct rate_place place;
	struct source_keys keys;
	double all = connections(t);

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < t->tops; i++)
		if (!most || t->top[i].charge - t->top[i].error > most->charge - most->error)
			most = &t->top[i];
	if (!most || all < SHARED_PER_MIN)
		return;
	source_keys(t, most->address, &keys);
	if (keys.pool)
		return; /* known, and named */
	place = rate_place(t, keys.address, RATE_ADDRESS);
	ret->per_min = rate_get(t, &place);
	ret->share = ret->per_min / all;
	if (ret->share > 1)
		ret->share = 1;
	ret->is_private = source_is_private(most->address);
	memcpy(ret->address, most->address, sizeof(ret->address));
	ret->known = ret->per_min >= SHARED_PER_MIN &&
		     ret->share >= (ret->is_private ? SHARED_PRIVATE : SHARED_PUBLIC);
}
