/* The engine's decision as data, and the one function that decides from it.
 *
 * The daemon writes a plan each tick into a file in its run directory; the proxy maps that file,
 * the gate's BPF program reads it from a map, the daemon's own fronts read it in place.
 * plan_decide() is compiled into all of them: integers only, no call, no loop, O(1). The rule for
 * staleness stands here and nowhere else: a plan whose heartbeat is older than PLAN_STALE_US, or
 * from the future (another clock), or that is not a plan of this version, is no plan, and then
 * everything is admitted.
 *
 * Shares of sources matter only where places are short. Those whom others come before (an unusual
 * rate, many sessions at once, or a score below the cut-off of their band) get what the others
 * leave: all but `kept` of each limit. core/source.h makes ranks, cut-offs and `kept`, which is 0
 * until a source that comes first finds no place. Example: a window of 20 and kept = 64 (a
 * quarter): an unusual source is let in while fewer than 15 are in flight, and everybody else while
 * fewer than 20 are.
 *
 * A score is a source's rank, and below that a tie that is another one in each epoch but the same
 * for a source all through it. */
#ifndef PENSTOCK_CORE_PLAN_H
#define PENSTOCK_CORE_PLAN_H

#include <stdint.h>

#include "core/reason.h"

#define PLAN_MAGIC 0x6e616c70u /* "plan" */
#define PLAN_VERSION 5u
#define PLAN_STALE_US 2000000u
#define PLAN_SERVICES 8
#define PLAN_UNLIMITED UINT32_MAX

enum plan_order { PLAN_SERVE, PLAN_DRAIN, PLAN_MAINTENANCE, PLAN_BLIND };
enum plan_mode { PLAN_ENFORCE, PLAN_OBSERVE };
enum plan_shed { PLAN_SHED_YES, PLAN_SHED_LAST, PLAN_SHED_NO };
/* Credits are reserved by band, so each has a cut-off of its own: for sources never seen before,
 * and for those whose time (or whose patience) is about to run out. */
enum plan_band { PLAN_BAND_GENERAL, PLAN_BAND_NEW, PLAN_BAND_PROMISED, PLAN_BANDS };
/* A source's rate or volume: as usual; unusual against its own past and against the fair share,
 * which matters while places are short (plan_service.kept); over a limit that the operator set,
 * which always matters. */
enum plan_heavy { PLAN_HEAVY_NO, PLAN_HEAVY_SHARE, PLAN_HEAVY_LIMIT };

struct plan_service {
	uint32_t window; /* sessions that may be in flight; PLAN_UNLIMITED: any */
	uint32_t waiting_max; /* sessions that may wait for their greeting */
	uint32_t rate_milli; /* bucket: sessions a second x 1000; PLAN_UNLIMITED: no bucket */
	uint32_t burst_milli; /* bucket size, sessions x 1000 */
	uint32_t late_us; /* refuse late: no greeting after this long; 0: never */
	/* A connection without a place may wait for one in front of the server if it has to expect
	 * no longer than this; 0: none may begin to wait. Those that wait already keep the time
	 * that they were given: see core/room.h. */
	uint32_t hold_us;
	/* Places that come free, a second x 1000. The wait to expect is those before it over
	 * this. */
	uint32_t pass_milli;
	uint32_t cutoff[PLAN_BANDS]; /* least score that gets in, by band; 0: all */
	/* sessions that one source may have in flight, by the operator's word; PLAN_UNLIMITED:
	 * any */
	uint32_t source_max;
	/* who has so many in flight gets what others leave; PLAN_UNLIMITED: however many */
	uint32_t source_share;
	uint16_t reply_code; /* 451 or 421 */
	uint8_t reason; /* enum reason said when a limit binds */
	uint8_t shed; /* enum plan_shed */
	/* of each limit, what is left to those who come first, in 256ths; 0: places are not
	 * short */
	uint8_t kept;
	uint8_t trusted_pass; /* in maintenance sources of source.trusted are admitted */
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
	uint32_t score; /* plan_score(); PLAN_UNLIMITED: not ranked, passes every cut-off */
	uint32_t sessions; /* of this source in flight now, this one not counted; 0: not known */
	uint8_t band; /* enum plan_band */
	uint8_t heavy; /* enum plan_heavy */
	uint8_t trusted; /* in a network of source.trusted */
	uint8_t refused; /* in a network of source.refused; trust beats it */
};

/* What is known of a source, as core/source.h works it out and as the gate's map of ranks holds it
 * (user space fills it). */
struct plan_source {
	uint64_t group; /* who it counts as: plan_group() of its address, or its pool's */
	uint16_t rank; /* 0 .. PLAN_RANK_MOST, more is sooner */
	uint8_t band; /* enum plan_band */
	uint8_t heavy; /* enum plan_heavy */
	uint32_t spare;
};
#define PLAN_RANK_MOST 0xfffeu

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

/* The group of an address (16 bytes, IPv4 as mapped): the /24 of IPv4, the /64 of IPv6. Retries of
 * one message come from several addresses of it. */
static inline uint64_t plan_group(const uint8_t *address)
{
	uint64_t high = 0, low = 0;

	high = (uint64_t)address[0] << 56 | (uint64_t)address[1] << 48 |
	       (uint64_t)address[2] << 40 | (uint64_t)address[3] << 32 |
	       (uint64_t)address[4] << 24 | (uint64_t)address[5] << 16 | (uint64_t)address[6] << 8 |
	       address[7];
	low = (uint64_t)address[8] << 56 | (uint64_t)address[9] << 48 |
	      (uint64_t)address[10] << 40 | (uint64_t)address[11] << 32 |
	      (uint64_t)address[12] << 24 | (uint64_t)address[13] << 16 |
	      (uint64_t)address[14] << 8;
	/* No IPv6 network begins with 16 zero bits and goes on with ffff: the two never meet. */
	return high == 0 && low >> 32 == 0xffff ? low & UINT64_C(0xffffffffff00) : high;
}

/* Rank, and under it the tie of this group in this epoch: by the finisher of splitmix64, so that it
 * compiles anywhere. */
static inline uint32_t plan_score(uint64_t salt, uint64_t group, uint16_t rank)
{
	uint64_t x = salt ^ group;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)rank << 16 | (uint32_t)((x ^ (x >> 31)) >> 48);
}

/* Puts what is known of the source into the request. */
static inline void plan_rank(const struct plan *plan, const struct plan_source *source,
			     struct plan_request *request)
{
	request->score = plan_score(plan->salt, source->group, source->rank);
	request->band = source->band;
	request->heavy = source->heavy;
}

/* By name and not by index: the kernel's verifier sees the bounds. */
static inline uint32_t plan_cutoff(const struct plan_service *service, uint8_t band)
{
	switch (band) {
	case PLAN_BAND_GENERAL:
		return service->cutoff[PLAN_BAND_GENERAL];
	case PLAN_BAND_NEW:
		return service->cutoff[PLAN_BAND_NEW];
	case PLAN_BAND_PROMISED:
		return service->cutoff[PLAN_BAND_PROMISED];
	default:
		return 0;
	}
}

/* A service's place in plan.service[], which the caller has compared with PLAN_SERVICES. Verifiers
 * before 5.12 forget what was compared when a register is spilled: they see the bound here. */
static inline uint32_t plan_slot(uint32_t service)
{
#ifdef __bpf__
	asm volatile("" : "+r"(service));
#endif
	return service & (PLAN_SERVICES - 1);
}

static inline uint32_t plan_256ths(uint32_t of, uint8_t share)
{
	return (uint32_t)((uint64_t)of * share >> 8);
}

/* What the due may have beyond a limit that is full of others: the promise needs a place that no
 * stranger took just before. */
static inline uint32_t plan_beyond(const struct plan_request *request, uint32_t limit)
{
	return request->band == PLAN_BAND_PROMISED ? limit + 1 + (limit >> 5) : limit;
}

/* Whether others come before this source. */
static inline int plan_comes_last(const struct plan_service *service,
				  const struct plan_request *request)
{
	return request->heavy == PLAN_HEAVY_SHARE || request->sessions >= service->source_share ||
	       request->score < plan_cutoff(service, request->band);
}

/* Whether there is a place that those who come first leave: a part of the window, of those who wait
 * for a greeting and of the bucket stays theirs. */
static inline int plan_is_left(const struct plan_service *service,
			       const struct plan_request *request)
{
	if (request->in_flight >= service->window - plan_256ths(service->window, service->kept))
		return 0;
	if (request->waiting >=
	    service->waiting_max - plan_256ths(service->waiting_max, service->kept))
		return 0;
	/* A bucket holds one at least: full, it has one for everybody. */
	return service->rate_milli == PLAN_UNLIMITED ||
	       request->tokens_milli >= 750 + plan_256ths(service->burst_milli, service->kept);
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
	service = &plan->service[plan_slot(request->service)];
	v.reason = service->reason;
	/* An operator's order is obeyed in observe mode, and for trusted sources too, unless
	 * maintenance is to let them pass. */
	if (plan->order == PLAN_MAINTENANCE && service->trusted_pass && request->trusted)
		return plan_admit(REASON_TRUSTED);
	if (plan->order == PLAN_DRAIN || plan->order == PLAN_MAINTENANCE) {
		v.reason = plan->order == PLAN_DRAIN ? REASON_DRAIN : REASON_MAINTENANCE;
		v.limit = LIMIT_ORDER;
		return v;
	}
	if (plan->order == PLAN_BLIND && !request->refused)
		return plan_admit(REASON_BLIND);
	if (request->trusted)
		return plan_admit(REASON_TRUSTED);
	if (request->refused) {
		v.limit = LIMIT_REFUSED;
		v.reason = REASON_REFUSED;
	} else if (service->shed == PLAN_SHED_NO) {
		return plan_admit(REASON_UNSHED);
	} else if (request->heavy == PLAN_HEAVY_LIMIT) {
		v.limit = LIMIT_HEAVY;
		v.reason = REASON_RATE;
	} else if (service->source_max != PLAN_UNLIMITED &&
		   request->sessions >= service->source_max) {
		v.limit = LIMIT_SESSIONS;
		v.reason = REASON_SESSIONS;
	} else if (service->kept && plan_comes_last(service, request) &&
		   !plan_is_left(service, request)) {
		v.limit = LIMIT_CUTOFF;
		v.reason = REASON_SOURCE;
	} else if (service->window != PLAN_UNLIMITED &&
		   request->in_flight >= plan_beyond(request, service->window)) {
		v.limit = LIMIT_WINDOW;
	} else if (service->waiting_max != PLAN_UNLIMITED &&
		   request->waiting >= plan_beyond(request, service->waiting_max)) {
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

/* The token bucket of an enforcing front, in 1e-9 sessions: sessions a second x 1000 by
 * microseconds is just that, so nothing is rounded away. Refill before every plan_decide(), take
 * one when it admitted. The gate keeps one by the same arithmetic. */
#define PLAN_TOKEN_NANO INT64_C(1000000000)
struct plan_bucket {
	uint64_t refilled_us; /* 0: begins full */
	int64_t tokens_nano; /* below 0: taken ahead by several at once */
};

static inline int64_t plan_bucket_size(const struct plan_service *service)
{
	return (int64_t)service->burst_milli * 1000000;
}

/* What comes in over `dt_us`; beyond 10 s any bucket is full. */
static inline int64_t plan_bucket_gain(const struct plan_service *service, uint64_t dt_us)
{
	return (int64_t)(service->rate_milli * (dt_us < 10000000 ? dt_us : 10000000));
}

static inline uint32_t plan_bucket_milli(int64_t tokens_nano)
{
	uint64_t milli = tokens_nano > 0 ? (uint64_t)tokens_nano / 1000000 : 0;

	return milli < PLAN_UNLIMITED ? (uint32_t)milli : PLAN_UNLIMITED - 1;
}

/* Whether this verdict only says that there is no place now: then the connection may wait for one,
 * if core/room.h lets it. Who waits already asks without its rank, so that no limit of its source
 * turns it away: the room has that in its order. */
static inline int plan_may_wait(struct verdict verdict)
{
	return !verdict.admit && (verdict.limit == LIMIT_WINDOW || verdict.limit == LIMIT_WAITING ||
				  verdict.limit == LIMIT_RATE || verdict.limit == LIMIT_CUTOFF);
}

#ifndef __bpf__

/* The verdict for one for whom no place came free in time. */
static inline struct verdict plan_in_vain(const struct plan_service *service)
{
	struct verdict v = { 0, 0, service->reason, LIMIT_WINDOW };

	return v;
}

/* Copies the plan out of a mapping that its writer may be changing. 0, or -1 when no whole copy
 * could be had: keep the last one, which goes stale by itself. */
int plan_read(const struct plan *shared, struct plan *ret_plan);
/* Publishes `plan` into the mapping, readers on other cores see all of it or the one before. */
void plan_write(struct plan *shared, const struct plan *plan);

/* Returns what plan_request.tokens_milli wants. */
uint32_t plan_bucket_refill(struct plan_bucket *bucket, const struct plan_service *service,
			    uint64_t now_us);
void plan_bucket_take(struct plan_bucket *bucket);

#endif
#endif
