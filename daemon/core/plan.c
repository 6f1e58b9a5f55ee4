#include "core/plan.h"

#include <stddef.h>
#include <string.h>

#define READ_TRIES 64
/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

uint64_t plan_service_id(const char *name)
{
	uint64_t id = FNV_BASIS;

	for (const char *c = name; *c; c++)
		id = (id ^ (unsigned char)*c) * FNV_PRIME;
	return id ? id : 1;
}

/* A sequence lock: the writer makes the number odd, writes, and makes it even. */
int plan_read(const struct plan *shared, struct plan *ret_plan)
{
	for (int i = 0; i < READ_TRIES; i++) {
		uint64_t before = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);

		if (before & 1)
			continue;
		memcpy(ret_plan, shared, sizeof(*ret_plan));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&shared->sequence, __ATOMIC_RELAXED) == before)
			return 0;
	}
	return -1;
}

void plan_write(struct plan *shared, const struct plan *plan)
{
	uint64_t sequence = __atomic_load_n(&shared->sequence, __ATOMIC_RELAXED) & ~UINT64_C(1);
	const size_t from = offsetof(struct plan, heartbeat_us);

	__atomic_store_n(&shared->sequence, sequence + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	shared->magic = plan->magic;
	shared->version = plan->version;
	memcpy((char *)shared + from, (const char *)plan + from, sizeof(*plan) - from);
	__atomic_store_n(&shared->sequence, sequence + 2, __ATOMIC_RELEASE);
}

uint32_t plan_bucket_refill(struct plan_bucket *bucket, const struct plan_service *service,
			    uint64_t now_us)
{
	int64_t size = plan_bucket_size(service);

	if (service->rate_milli == PLAN_UNLIMITED) {
		bucket->refilled_us = 0; /* full when there is a rate again */
		return PLAN_UNLIMITED;
	}
	if (bucket->refilled_us == 0 || now_us < bucket->refilled_us)
		bucket->tokens_nano = size;
	else
		bucket->tokens_nano += plan_bucket_gain(service, now_us - bucket->refilled_us);
	bucket->refilled_us = now_us;
	if (bucket->tokens_nano > size)
		bucket->tokens_nano = size;
	return plan_bucket_milli(bucket->tokens_nano);
}

void plan_bucket_take(struct plan_bucket *bucket)
{
	bucket->tokens_nano -= PLAN_TOKEN_NANO;
}
