#include "publish/lately.h"

#include <string.h>

#include "base/array.h"

bool lately_due(const struct lately *l, uint64_t now_us)
{
	return !l->begun || now_us - l->turned_us >= LATELY_TURN_US;
}

static void read_counters(const struct counts_service *total, struct lately_service *ret)
{
	for (int i = 0; i < PLAN_SERVICES; i++) {
		ret[i].offered = total[i].offered;
		ret[i].deferred = total[i].deferred;
		memcpy(ret[i].deferred_by, total[i].deferred_by, sizeof(ret[i].deferred_by));
	}
}

void lately_turn(struct lately *l, const struct counts_service *total, uint64_t now_us)
{
	memcpy(l->older, l->newer, sizeof(l->older));
	read_counters(total, l->newer);
	/* Leave out what proxies counted before this process began. */
	if (!l->begun)
		memcpy(l->older, l->newer, sizeof(l->older));
	l->begun = true;
	l->turned_us = now_us;
}

static uint64_t since(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

void lately_tell(const struct lately *l, const struct counts_service *total,
		 struct lately_service *ret)
{
	if (!l->begun) {
		memset(ret, 0, PLAN_SERVICES * sizeof(*ret));
		return;
	}
	read_counters(total, ret);
	for (int i = 0; i < PLAN_SERVICES; i++) {
		const struct lately_service *before = &l->older[i];

		ret[i].offered = since(before->offered, ret[i].offered);
		ret[i].deferred = since(before->deferred, ret[i].deferred);
		for (int r = 0; r < REASON__COUNT; r++)
			ret[i].deferred_by[r] =
				since(before->deferred_by[r], ret[i].deferred_by[r]);
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
