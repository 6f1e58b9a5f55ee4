#include "core/counts.h"

#include <stddef.h>
#include <string.h>

/* A gauge above this is no gauge: the block is damaged. */
#define GAUGE_MAX 10000000u

unsigned counts_slot(uint64_t value)
{
	unsigned power, slot;

	if (value < 8)
		return (unsigned)value;
	power = 63 - (unsigned)__builtin_clzll(value); /* at least 3 */
	slot = (power - 2) * 8 + (unsigned)((value >> (power - 3)) & 7);
	return slot < COUNTS_SLOTS ? slot : COUNTS_SLOTS - 1;
}

uint64_t counts_slot_upper(unsigned slot)
{
	unsigned power;

	if (slot < 8)
		return slot;
	if (slot >= COUNTS_SLOTS - 1)
		return UINT64_MAX;
	power = slot / 8 + 2;
	return (((uint64_t)(8 + slot % 8) + 1) << (power - 3)) - 1;
}

void counts_init(struct counts *counts, const char *front, uint64_t pid)
{
	size_t n = strlen(front);

	memset(counts, 0, sizeof(*counts));
	counts->magic = COUNTS_MAGIC;
	counts->version = COUNTS_VERSION;
	counts->pid = pid;
	memcpy(counts->front, front, n < sizeof(counts->front) ? n : sizeof(counts->front) - 1);
}

static void swap_u64(uint64_t *a, uint64_t *b)
{
	uint64_t kept = *a;

	*a = *b;
	*b = kept;
}

static void swap_services(struct counts *c, unsigned a, unsigned b)
{
	uint64_t *x = (uint64_t *)&c->service[a], *y = (uint64_t *)&c->service[b];
	uint64_t differ = (c->serves >> a ^ c->serves >> b) & 1;

	for (size_t i = 0; i < sizeof(struct counts_service) / sizeof(uint64_t); i++)
		swap_u64(&x[i], &y[i]);
	swap_u64(&c->service_id[a], &c->service_id[b]);
	c->serves ^= differ << a | differ << b;
}

void counts_arrange(struct counts *c, const uint64_t service_id[PLAN_SERVICES])
{
	for (unsigned i = 0; i < PLAN_SERVICES; i++)
		for (unsigned k = 0; service_id[i] && k < PLAN_SERVICES; k++)
			if (k != i && c->service_id[k] == service_id[i] &&
			    c->service_id[i] != service_id[i])
				swap_services(c, i, k);
	for (unsigned i = 0; i < PLAN_SERVICES; i++) {
		if (service_id[i] && c->service_id[i] == service_id[i])
			continue;
		memset(&c->service[i], 0, sizeof(c->service[i]));
		c->service_id[i] = service_id[i];
		c->serves &= ~(UINT64_C(1) << i);
	}
}

static void settle(struct counts_service *service, struct verdict verdict)
{
	if (verdict.admit) {
		service->admitted++;
		service->admitted_by[verdict.reason < REASON__COUNT ? verdict.reason : 0]++;
	} else {
		service->deferred++;
		service->deferred_by[verdict.reason < REASON__COUNT ? verdict.reason : 0]++;
	}
	if (verdict.would_defer)
		service->would_defer++;
	if (!verdict.admit || verdict.would_defer)
		service->deferred_limit[verdict.limit < LIMIT__COUNT ? verdict.limit : 0]++;
}

void counts_verdict(struct counts_service *service, struct verdict verdict)
{
	service->offered++;
	settle(service, verdict);
}

void counts_hold(struct counts_service *service)
{
	service->offered++;
	service->held++;
}

void counts_release(struct counts_service *service, enum counts_held end, uint64_t held_us,
		    struct verdict verdict)
{
	service->held--;
	service->held_time[counts_slot(held_us)]++;
	service->held_sum_us += held_us;
	service->held_admitted += end == HELD_ADMITTED;
	service->held_in_vain += end == HELD_IN_VAIN;
	service->held_left += end == HELD_LEFT;
	if (end != HELD_LEFT)
		settle(service, verdict);
}

void counts_clear_gauges(struct counts_service *s)
{
	s->in_flight = s->shadow_in_flight = s->busy = s->ungreeted = s->held = s->stuck = 0;
	s->oldest_waiting_since_us = s->oldest_held_since_us = s->refused_lingering = 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a == 0 || (b && b < a) ? b : a;
}

/* Every member but the time stamps is a 64-bit number that can be added. */
void counts_add(struct counts_service *sum, const struct counts_service *block)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)block;
	uint64_t oldest_waiting_us =
		earlier(sum->oldest_waiting_since_us, block->oldest_waiting_since_us);
	uint64_t oldest_held_us = earlier(sum->oldest_held_since_us, block->oldest_held_since_us);

	_Static_assert(sizeof(struct counts_service) % sizeof(uint64_t) == 0, "only 64-bit fields");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
	sum->oldest_waiting_since_us = oldest_waiting_us;
	sum->oldest_held_since_us = oldest_held_us;
}

double counts_quantile(const uint64_t *now, const uint64_t *before, double q)
{
	double total = 0, sum = 0;

	for (unsigned i = 0; i < COUNTS_SLOTS; i++)
		total += now[i] > before[i] ? (double)(now[i] - before[i]) : 0;
	if (total == 0)
		return -1;
	for (unsigned i = 0; i < COUNTS_SLOTS; i++) {
		sum += now[i] > before[i] ? (double)(now[i] - before[i]) : 0;
		if (sum >= q * total)
			return i == COUNTS_SLOTS - 1 ? (double)counts_slot_upper(i - 1)
						     : (double)counts_slot_upper(i);
	}
	return (double)counts_slot_upper(COUNTS_SLOTS - 2);
}

bool counts_are_sane(const struct counts *c)
{
	if (c->magic != COUNTS_MAGIC || c->version != COUNTS_VERSION)
		return false;
	if (!memchr(c->front, 0, sizeof(c->front)))
		return false;
	for (int i = 0; i < PLAN_SERVICES; i++)
		if (c->service[i].in_flight > GAUGE_MAX || c->service[i].busy > GAUGE_MAX ||
		    c->service[i].ungreeted > GAUGE_MAX || c->service[i].stuck > GAUGE_MAX ||
		    c->service[i].shadow_in_flight > GAUGE_MAX || c->service[i].held > GAUGE_MAX)
			return false;
	return true;
}
