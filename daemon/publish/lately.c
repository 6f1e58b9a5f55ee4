#include "publish/lately.h"

#include <string.h>

#include "base/array.h"

bool lately_due(const struct lately *l, uint64_t now_us)
{
	return !l->begun || now_us - l->turned_us >= LATELY_TURN_US;
}

static struct lately_service read_counters(const struct counts_service *total)
{
	struct lately_service read = { .offered = total->offered, .deferred = total->deferred };

	memcpy(read.deferred_by, total->deferred_by, sizeof(read.deferred_by));
	return read;
}

/* NULL: the service was not there. */
static const struct lately_service *find_service(const struct lately_reading *r, uint64_t id)
{
	for (int i = 0; id && i < PLAN_SERVICES; i++)
		if (r->id[i] == id)
			return &r->service[i];
	return NULL;
}

void lately_turn(struct lately *l, const uint64_t id[PLAN_SERVICES],
		 const struct counts_service *total, uint64_t now_us)
{
	struct lately_reading now;

	memcpy(now.id, id, sizeof(now.id));
	l->older = l->newer;
	for (int i = 0; i < PLAN_SERVICES; i++)
		now.service[i] = read_counters(&total[i]);
	l->newer = now;
	/* Leave out what proxies counted before this process began. */
	if (!l->begun)
		l->older = now;
	l->begun = true;
	l->turned_us = now_us;
}

static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

static void tell_since(const struct lately_service *before, struct lately_service *l)
{
	l->offered = since(before->offered, l->offered);
	l->deferred = since(before->deferred, l->deferred);
	for (int r = 0; r < REASON__COUNT; r++)
		l->deferred_by[r] = since(before->deferred_by[r], l->deferred_by[r]);
}

void lately_tell(const struct lately *l, const uint64_t id[PLAN_SERVICES],
		 const struct counts_service *total, struct lately_service *ret)
{
	memset(ret, 0, PLAN_SERVICES * sizeof(*ret));
	for (int i = 0; i < PLAN_SERVICES; i++) {
		const struct lately_service *before = find_service(&l->older, id[i]);

		/* What proxies counted before the service was known is left out, too. */
		if (!before)
			before = find_service(&l->newer, id[i]);
		if (!before)
			continue;
		ret[i] = read_counters(&total[i]);
		tell_since(before, &ret[i]);
	}
}

uint64_t lately_by_front(const struct lately_service *l, enum reason *ret_reason)
{
	static const enum reason own[] = { REASON_BACKEND, REASON_LIMIT };
	uint64_t sum = 0, most = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(own); i++) {
		uint64_t count = l->deferred_by[own[i]];

		sum += count;
		if (count <= most)
			continue;
		most = count;
		*ret_reason = own[i];
	}
	return sum;
}

enum reason lately_reason(const struct lately_service *l)
{
	enum reason most = REASON_NONE;

	for (int r = 0; r < REASON__COUNT; r++)
		if (l->deferred_by[r] > l->deferred_by[most])
			most = (enum reason)r;
	return most;
}
