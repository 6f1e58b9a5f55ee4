/* The engine's decision as data, and the one function that decides from it.
 *
 * The daemon writes a plan each tick into a file in its run directory. The proxy maps that file,
 * the gate's BPF program reads it from a map, and the daemon's own fronts read it in place.
 * plan_decide() is compiled into all of them: integers only, no call, no loop, O(1). The rule for
 * stale plans is defined here and nowhere else. A plan is ignored, and every connection is
 * admitted, when its heartbeat is older than PLAN_STALE_US, when it is from the future (another
 * clock), or when it is not a plan of this version.
 *
 * Shares of sources matter only while places are short. A source comes last when its rate is
 * unusual, when it has many sessions at once, or when its score is below the cut-off of its band.
 * Such a source may use all of each limit but the part `reserve_256`, which stays for the other
 * sources. core/source.h computes ranks, cut-offs and `reserve_256`. `reserve_256` is 0 until a
 * source that comes first finds no place. Example: the window is 20 and `reserve_256` is 64 (a
 * quarter). An unusual source is admitted while fewer than 15 sessions are in flight, any other
 * source while fewer than 20 are.
 *
 * A score is the rank of a source in its high bits. Its low bits break ties between equal ranks:
 * they differ from epoch to epoch, and stay the same for one source during an epoch. */
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
/* Each band has credits of its own, and so a cut-off of its own: NEW for sources never seen before,
 * PROMISED for sources whose promised time (or whose patience) is about to run out. */
enum plan_band { PLAN_BAND_GENERAL, PLAN_BAND_NEW, PLAN_BAND_PROMISED, PLAN_BANDS };
/* A source's rate or volume: usual; unusual against its own past and the fair share, which matters
 * while places are short (plan_service.reserve_256); or over a limit that the operator set, which
 * always matters. */
enum plan_heavy { PLAN_HEAVY_NO, PLAN_HEAVY_SHARE, PLAN_HEAVY_LIMIT };

struct plan_service {
	uint32_t window; /* sessions that may be in flight; PLAN_UNLIMITED: any */
	uint32_t ungreeted_max; /* sessions that may wait for their greeting */
	uint32_t rate_milli; /* bucket: sessions a second x 1000; PLAN_UNLIMITED: no bucket */
	uint32_t burst_milli; /* bucket size, sessions x 1000 */
	uint32_t greeting_timeout_us; /* refuse late: no greeting after this long; 0: never */
	/* A connection without a place may wait for one in front of the server if its expected wait
	 * is no longer than this; 0: none may begin to wait. Connections that wait already keep
	 * their deadline: see core/room.h. */
	uint32_t hold_us;
	/* Places that come free, a second x 1000. A connection's expected wait is the number of
	 * connections before it, divided by this. */
	uint32_t pass_milli;
	uint32_t cutoff[PLAN_BANDS]; /* by band, the lowest score that is admitted; 0: all are */
	/* sessions that one source may have in flight, a limit of the operator; PLAN_UNLIMITED:
	 * any */
	uint32_t source_max;
	/* a source with so many sessions in flight comes last; PLAN_UNLIMITED: none does */
	uint32_t source_share;
	uint16_t reply_code; /* 451 or 421 */
	uint8_t reason; /* enum reason that is given when a limit is met */
	uint8_t shed; /* enum plan_shed */
	/* the part of each limit that stays for sources that do not come last, in 256ths; 0: places
	 * are not short */
	uint8_t reserve_256;
	uint8_t trusted_pass; /* in maintenance sources of source.trusted are admitted */
};

struct plan {
	uint32_t magic, version;
	uint64_t sequence; /* odd while being written: see plan_read() */
	uint64_t heartbeat_us; /* CLOCK_MONOTONIC of the last completed tick */
	uint64_t epoch; /* number of the epoch, during which a source gets the same verdict */
	uint64_t salt; /* of the epoch */
	uint64_t order_until_us; /* end of a drain or maintenance (CLOCK_REALTIME), 0: open */
	uint8_t order; /* enum plan_order */
	uint8_t mode; /* enum plan_mode */
	uint8_t level;
	uint8_t services; /* used entries of service[] */
	uint32_t tick; /* ticks since start */
	struct plan_service service[PLAN_SERVICES];
	/* plan_service_id() of each. Another process may have read another configuration, in which
	 * the services are in another order: it finds its service by this. */
	uint64_t service_id[PLAN_SERVICES];
};

struct plan_request {
	uint64_t now_us; /* CLOCK_MONOTONIC */
	uint32_t service; /* index into service[] */
	uint32_t in_flight; /* now, this session not counted; in observe mode the shadow count */
	uint32_t ungreeted; /* sessions that wait for their greeting, now */
	uint32_t tokens_milli; /* in the front's bucket; PLAN_UNLIMITED: the front keeps none */
	uint32_t score; /* plan_score(); PLAN_UNLIMITED: not ranked, passes every cut-off */
	uint32_t sessions; /* of this source in flight now, this one not counted; 0: not known */
	uint8_t band; /* enum plan_band */
	uint8_t heavy; /* enum plan_heavy */
	uint8_t trusted; /* in a network of source.trusted */
	uint8_t refused; /* in a network of source.refused; `trusted` wins */
};

/* What is known of a source: core/source.h works it out; user space writes it into the gate's map
 * of ranks. */
struct plan_source {
	uint64_t group; /* plan_group() of its address, or the group of its pool */
	uint16_t rank; /* 0 .. PLAN_RANK_MAX; a higher rank is admitted first */
	uint8_t band; /* enum plan_band */
	uint8_t heavy; /* enum plan_heavy */
	uint32_t spare;
};
#define PLAN_RANK_MAX 0xfffeu
#define PLAN_RANK_SHIFT 6 /* of a rank: what is left is its bin */
#define PLAN_SCORE_SHIFT (16 + PLAN_RANK_SHIFT) /* of plan_score(), and of a cut-off: the same */
#define PLAN_RANK_UNIT 8 /* bins, in a unit of rank (core/source_score.c) */

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
 * one message may come from several addresses of a group. */
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
	/* No IPv6 network begins with 16 zero bits and ffff, so the two kinds never collide. */
	return high == 0 && low >> 32 == 0xffff ? low & UINT64_C(0xffffffffff00) : high;
}

/* The rank, and in the low bits the tie-break of this group in this epoch. The hash is the
 * finisher of splitmix64, which compiles everywhere. */
static inline uint32_t plan_score(uint64_t salt, uint64_t group, uint16_t rank)
{
	uint64_t x = salt ^ group;

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)rank << 16 | (uint32_t)((x ^ (x >> 31)) >> 48);
}

/* Copies what is known of the source into the request. */
static inline void plan_rank(const struct plan *plan, const struct plan_source *source,
			     struct plan_request *request)
{
	request->score = plan_score(plan->salt, source->group, source->rank);
	request->band = source->band;
	request->heavy = source->heavy;
}

/* Selects by name and not by index, so that the kernel's verifier sees the bounds. */
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

/* A service's place in plan.service[]. The caller has compared it with PLAN_SERVICES, but verifiers
 * before 5.12 forget that when a register is spilled: the mask shows them the bound. */
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

/* The limit for this request. Sources in the promised band may go a little beyond it, because other
 * sources may just have taken the places that were meant for them. */
static inline uint32_t plan_beyond(const struct plan_request *request, uint32_t limit)
{
	return request->band == PLAN_BAND_PROMISED ? limit + 1 + (limit >> 5) : limit;
}

/* Whether this source takes more than its share. */
static inline int plan_takes_more(const struct plan_service *service,
				  const struct plan_request *request)
{
	return request->heavy == PLAN_HEAVY_SHARE || request->sessions >= service->source_share;
}

/* Whether this source comes last (see above). */
static inline int plan_comes_last(const struct plan_service *service,
				  const struct plan_request *request)
{
	return plan_takes_more(service, request) ||
	       request->score < plan_cutoff(service, request->band);
}

/* From so much of a token on, a bucket has a place for a source that comes first. A bucket has room
 * for one session at least: with a reserve of a quarter a full one has a token for any source. */
#define PLAN_TOKEN_LEFT_MILLI 750

/* Whether a place is left if the part `reserve_256` of the window, of the sessions that wait for
 * their greeting and of the bucket is kept for the sources that come first. */
static inline int plan_is_left(const struct plan_service *service,
			       const struct plan_request *request, uint8_t reserve_256)
{
	if (request->in_flight >= service->window - plan_256ths(service->window, reserve_256))
		return 0;
	if (request->ungreeted >=
	    service->ungreeted_max - plan_256ths(service->ungreeted_max, reserve_256))
		return 0;
	return service->rate_milli == PLAN_UNLIMITED ||
	       request->tokens_milli >=
		       PLAN_TOKEN_LEFT_MILLI + plan_256ths(service->burst_milli, reserve_256);
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
	/* An operator's order also holds in observe mode and for trusted sources, except where
	 * maintenance.trusted_pass admits those. */
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
	} else if (service->reserve_256 && plan_comes_last(service, request) &&
		   !plan_is_left(service, request, service->reserve_256)) {
		v.limit = LIMIT_CUTOFF;
		/* If no place is left for any source, the resource is the reason, except for a
		 * source that takes more than its share. */
		if (plan_takes_more(service, request) || plan_is_left(service, request, 0))
			v.reason = REASON_SOURCE;
	} else if (service->window != PLAN_UNLIMITED &&
		   request->in_flight >= plan_beyond(request, service->window)) {
		v.limit = LIMIT_WINDOW;
	} else if (service->ungreeted_max != PLAN_UNLIMITED &&
		   request->ungreeted >= plan_beyond(request, service->ungreeted_max)) {
		v.limit = LIMIT_UNGREETED;
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

/* The token bucket of an enforcing front, in 1e-9 sessions: (sessions a second x 1000) times
 * microseconds has this unit, so nothing is lost by rounding. Refill it before every plan_decide(),
 * and take one token when that admits. The gate keeps a bucket by the same arithmetic. */
#define PLAN_TOKEN_NANO INT64_C(1000000000)
struct plan_bucket {
	uint64_t refilled_us; /* 0: begins full */
	int64_t tokens_nano; /* below 0: several connections took a token at the same time */
};

static inline int64_t plan_bucket_size(const struct plan_service *service)
{
	return (int64_t)service->burst_milli * 1000000;
}

/* The tokens that are added during `dt_us`. After 10 s every bucket is full. */
static inline int64_t plan_bucket_gain(const struct plan_service *service, uint64_t dt_us)
{
	return (int64_t)(service->rate_milli * (dt_us < 10000000 ? dt_us : 10000000));
}

static inline uint32_t plan_bucket_milli(int64_t tokens_nano)
{
	uint64_t milli = tokens_nano > 0 ? (uint64_t)tokens_nano / 1000000 : 0;

	return milli < PLAN_UNLIMITED ? (uint32_t)milli : PLAN_UNLIMITED - 1;
}

/* Whether this verdict only means that there is no place now, so that the connection may wait for
 * one if core/room.h agrees. A connection that waits already asks without its rank, so that no
 * limit of its source refuses it: its order in the room took the source into account. */
static inline int plan_may_wait(struct verdict verdict)
{
	return !verdict.admit &&
	       (verdict.limit == LIMIT_WINDOW || verdict.limit == LIMIT_UNGREETED ||
		verdict.limit == LIMIT_RATE || verdict.limit == LIMIT_CUTOFF);
}

#ifndef __bpf__

/* The verdict for a connection that waited, and for which no place came free in time. */
static inline struct verdict plan_in_vain(const struct plan_service *service)
{
	struct verdict v = { 0, 0, service->reason, LIMIT_WINDOW };

	return v;
}

/* Identifies a service by its name, in each process. Never 0. */
uint64_t plan_service_id(const char *name);
/* Copies the plan out of a mapping while its writer may change it. 0, or -1 when no consistent copy
 * was possible: keep the one from before, which becomes stale by itself. */
int plan_read(const struct plan *shared, struct plan *ret_plan);
/* Publishes `plan` in the mapping. Readers on other cores see either all of it or the plan
 * before. */
void plan_write(struct plan *shared, const struct plan *plan);

/* Refills the bucket. Returns the value for plan_request.tokens_milli. */
uint32_t plan_bucket_refill(struct plan_bucket *bucket, const struct plan_service *service,
			    uint64_t now_us);
void plan_bucket_take(struct plan_bucket *bucket);

#endif
#endif
