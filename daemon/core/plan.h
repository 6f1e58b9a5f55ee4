/* The engine's decision as data, and the one function that decides from it.
 *
 * The daemon writes a plan each tick into a file in its run directory; the proxy maps that file, the gate's BPF program
 * reads it from a map, the daemon's own fronts read it in place. plan_decide() is compiled into all of them: integers
 * only, no call, no loop, O(1). The rule for staleness stands here and nowhere else: a plan whose heartbeat is older than
 * PLAN_STALE_US, or from the future (another clock), or that is not a plan of this version, is no plan, and then everything
 * is admitted. */
#ifndef PENSTOCK_CORE_PLAN_H
#define PENSTOCK_CORE_PLAN_H

#include <stdint.h>

#include "core/reason.h"

#define PLAN_MAGIC 0x6e616c70u /* "plan" */
#define PLAN_VERSION 1u
#define PLAN_STALE_US 2000000u
#define PLAN_SERVICES 8
#define PLAN_UNLIMITED UINT32_MAX

enum plan_order { PLAN_SERVE, PLAN_DRAIN, PLAN_MAINTENANCE, PLAN_BLIND };
enum plan_mode { PLAN_ENFORCE, PLAN_OBSERVE };
enum plan_shed { PLAN_SHED_YES, PLAN_SHED_LAST, PLAN_SHED_NO };

struct plan_service {
	uint32_t window; /* sessions that may be in flight; PLAN_UNLIMITED: any */
	uint32_t waiting_max; /* sessions that may wait for their greeting */
	uint32_t rate_milli; /* bucket: sessions a second x 1000; PLAN_UNLIMITED: no bucket */
	uint32_t burst_milli; /* bucket size, sessions x 1000 */
	uint32_t late_us; /* refuse late: no greeting after this long; 0: never */
	uint32_t cutoff; /* least score that gets in while the window binds; 0: all */
	uint16_t reply_code; /* 451 or 421 */
	uint8_t reason; /* enum reason said when a limit binds */
	uint8_t shed; /* enum plan_shed */
};

struct plan {
	uint32_t magic, version;
	uint64_t sequence; /* odd while being written: see plan_read() */
	uint64_t heartbeat_us; /* CLOCK_MONOTONIC of the last completed tick */
	uint64_t epoch; /* number of the epoch: verdicts are consistent per source in it */
	uint64_t salt; /* of the epoch */
	uint64_t order_until_us; /* end of a drain or maintenance (CLOCK_REALTIME), 0: open */
	uint8_t order; /* enum plan_order */
	uint8_t mode; /* enum plan_mode */
	uint8_t level;
	uint8_t services; /* used entries of service[] */
	uint32_t tick; /* ticks since start */
	struct plan_service service[PLAN_SERVICES];
};

struct plan_request {
	uint64_t now_us; /* CLOCK_MONOTONIC */
	uint32_t service; /* index into service[] */
	uint32_t in_flight; /* now, this session not counted; in observe mode the shadow count */
	uint32_t waiting; /* sessions that wait for their greeting, now */
	uint32_t tokens_milli; /* in the front's bucket; PLAN_UNLIMITED: the front keeps none */
	uint32_t score; /* of the source; PLAN_UNLIMITED: not ranked, passes every cut-off */
	uint8_t trusted;
};

struct verdict {
	uint8_t admit; /* what to do */
	uint8_t would_defer; /* observe mode: admit is 1, yet enforcing would have deferred */
	uint8_t reason; /* enum reason */
	uint8_t limit; /* enum limit */
};

static inline struct verdict plan_admit(uint8_t reason)
{
	struct verdict v = { 1, 0, reason, LIMIT_NONE };

	return v;
}

static inline int plan_is_fresh(const struct plan *plan, uint64_t now_us)
{
	return plan->magic == PLAN_MAGIC && plan->version == PLAN_VERSION &&
	       now_us <= plan->heartbeat_us + PLAN_STALE_US &&
	       plan->heartbeat_us <= now_us + PLAN_STALE_US;
}

static inline struct verdict plan_decide(const struct plan *plan,
					 const struct plan_request *request)
{
	const struct plan_service *service;
	struct verdict v = { 0, 0, REASON_NONE, LIMIT_NONE };

	if (!plan_is_fresh(plan, request->now_us))
		return plan_admit(REASON_STALE);
	if (request->service >= PLAN_SERVICES || request->service >= plan->services)
		return plan_admit(REASON_UNSHED);
	service = &plan->service[request->service];
	v.reason = service->reason;
	/* An operator's order is obeyed in observe mode and for trusted sources too. */
	if (plan->order == PLAN_DRAIN || plan->order == PLAN_MAINTENANCE) {
		v.reason = plan->order == PLAN_DRAIN ? REASON_DRAIN : REASON_MAINTENANCE;
		v.limit = LIMIT_ORDER;
		return v;
	}
	if (plan->order == PLAN_BLIND)
		return plan_admit(REASON_BLIND);
	if (request->trusted)
		return plan_admit(REASON_TRUSTED);
	if (service->shed == PLAN_SHED_NO)
		return plan_admit(REASON_UNSHED);
	if (request->score < service->cutoff) {
		v.limit = LIMIT_CUTOFF;
		v.reason = REASON_SOURCE;
	} else if (service->window != PLAN_UNLIMITED && request->in_flight >= service->window) {
		v.limit = LIMIT_WINDOW;
	} else if (service->waiting_max != PLAN_UNLIMITED &&
		   request->waiting >= service->waiting_max) {
		v.limit = LIMIT_WAITING;
	} else if (service->rate_milli != PLAN_UNLIMITED && request->tokens_milli < 1000) {
		v.limit = LIMIT_RATE;
	} else {
		return plan_admit(REASON_NONE);
	}
	if (plan->mode == PLAN_OBSERVE) {
		v.admit = 1;
		v.would_defer = 1;
	}
	return v;
}

#ifndef __bpf__

/* Copies the plan out of a mapping that its writer may be changing. 0, or -1 when no whole copy could be had: keep the
 * last one, which goes stale by itself. */
int plan_read(const struct plan *shared, struct plan *ret_plan);
/* Publishes `plan` into the mapping, readers on other cores see all of it or the one before. */
void plan_write(struct plan *shared, const struct plan *plan);

/* The token bucket of an enforcing front. Refill before every plan_decide(), take one when it admitted. */
struct plan_bucket {
	uint64_t refilled_us;
	double tokens_milli;
};
/* Returns what plan_request.tokens_milli wants. */
uint32_t plan_bucket_refill(struct plan_bucket *bucket, const struct plan_service *service,
			    uint64_t now_us);
void plan_bucket_take(struct plan_bucket *bucket);

#endif
#endif
