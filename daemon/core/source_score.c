/* The rank of a source: a sum, in eighths of a unit, each of which is one bin of rank.
 *
 *   class      +3 had a session that did a job, +1 seen before, +1 came back properly before
 *   seniority  +4 for each proper retry of this wait (at most 3), + log2(1 + age / 2 min)
 *   urgency    up to +11 as the patience of such sources runs out: halved for each 15 minutes of
 *              slack
 *   promise    +24 if the promise would be broken for this source next
 *   rate       -4 log2(rate / fair rate), at most -40; not for a source that is due by its age
 *              alone: each source gets one admission in longest_deferral
 *
 * The figures are in law.h. */
#include <math.h>

#include "core/source_parts.h"

#define MIDDLE (SOURCE_BINS / 2)

/* Bins of so many units of rank. */
static int32_t bins(double units)
{
	return (int32_t)(units * PLAN_RANK_UNIT);
}

uint32_t source_patience_s(const struct source_table *t, const struct source_facts *facts)
{
	if (facts->pool && t->pool[facts->pool - 1].patience_s)
		return t->pool[facts->pool - 1].patience_s;
	if (!facts->entry || !facts->entry->gap)
		return 0;
	return t->patience_s[source_gap_class(facts->entry)];
}

static bool waits(const struct source_entry *e, uint32_t now_s)
{
	return e && entry_waits(e, now_s);
}

static bool is_proper(const struct source_table *t, const struct source_entry *e, uint32_t now_s)
{
	return now_s >= e->last && now_s - e->last >= t->proper_s;
}

/* Number of this attempt in the wait, counted as the promise defines it. */
static unsigned attempt_of(const struct source_table *t, const struct source_entry *e,
			   uint32_t now_s)
{
	if (!waits(e, now_s))
		return 1;
	return e->tries + (is_proper(t, e, now_s) || e->tries == 0 ? 1u : 0u);
}

/* Whether its next attempt would come too late. */
static bool promise_runs_out(const struct source_table *t, const struct source_entry *e,
			     uint32_t now_s)
{
	uint32_t age = now_s > e->first ? now_s - e->first : 0;
	uint32_t gap = e->gap ? GAP_UNIT_S * e->gap : (uint32_t)GAP_GUESS_S;

	if (age >= t->longest_deferral_s)
		return true;
	return attempt_of(t, e, now_s) >= 2 && age + gap >= t->longest_deferral_s;
}

bool source_promised(const struct source_table *t, const struct source_facts *facts, uint32_t now_s)
{
	const struct source_entry *e = facts->entry;
	unsigned attempt;

	if (!waits(e, now_s))
		return false;
	attempt = attempt_of(t, e, now_s);
	return attempt >= t->longest_attempts || promise_runs_out(t, e, now_s) ||
	       ((e->tag & ENTRY_LATE) && attempt >= 2);
}

static int32_t urgency(uint32_t slack_s)
{
	const uint32_t half_s = (uint32_t)URGENCY_HALF_S;
	int32_t most = bins(RANK_URGENCY);

	for (; slack_s >= half_s && most; slack_s -= half_s)
		most /= 2;
	return most - most / 2 * (int32_t)slack_s / (int32_t)half_s;
}

static int32_t seniority(const struct source_table *t, const struct source_facts *facts,
			 uint32_t now_s, struct plan_source *ret)
{
	const struct source_entry *e = facts->entry;
	uint32_t age = now_s > e->first ? now_s - e->first : 0, patience, slack;
	unsigned attempt = attempt_of(t, e, now_s);
	int32_t score = bins(RANK_RETRY * fmin(attempt - 1, RANK_RETRIES));

	if (attempt < 2)
		return 0; /* a source that has not come back yet has no seniority */
	score += log2_8(1 + age / (uint32_t)RANK_AGE_S);
	patience = source_patience_s(t, facts);
	if (patience) {
		slack = patience > age ? patience - age : 0;
		score += urgency(slack);
		if (slack < (uint32_t)SLACK_SHORT_S)
			ret->band = PLAN_BAND_PROMISED;
	}
	return score;
}

static int32_t fair_log(const struct source_table *t, uint8_t pool)
{
	int32_t fair = __atomic_load_n(&t->fair_log, __ATOMIC_RELAXED);

	if (fair == NONE_LOG || !pool)
		return fair;
	return fair + log2_8(t->pool[pool - 1].weight);
}

/* Unusual: more than UNUSUAL_SESSIONS cost, over UNUSUAL_FAIR times the fair rate and over
 * UNUSUAL_PAST times its own past; or over UNUSUAL_ALWAYS times the fair rate. */
static uint8_t heavy_of(const struct source_table *t, const struct source_facts *facts,
			int32_t fair)
{
	uint32_t least = (uint32_t)((float)UNUSUAL_SESSIONS * t->cost_us / (float)t->unit_us);
	int32_t rate = log2_8(facts->units);

	if (t->rate_max && facts->connections > t->rate_max)
		return PLAN_HEAVY_LIMIT;
	if (fair != NONE_LOG && facts->units >= RATE_FULL)
		return PLAN_HEAVY_SHARE;
	if (fair == NONE_LOG || facts->units < least ||
	    rate < fair + log2_8((uint32_t)UNUSUAL_FAIR))
		return PLAN_HEAVY_NO;
	/* So far above the fair rate that its own past does not count: it would fill a bin of rank
	 * alone, and a bin passes as a whole or not at all. */
	if (rate >= fair + log2_8((uint32_t)UNUSUAL_ALWAYS))
		return PLAN_HEAVY_SHARE;
	if (facts->entry && rate < facts->entry->usual + log2_8((uint32_t)UNUSUAL_PAST))
		return PLAN_HEAVY_NO;
	return PLAN_HEAVY_SHARE;
}

/* A pool whose senders give up within HASTY_S is always due. Only for pools, because there an
 * operator says so. Otherwise a bot that gives up soon would be let in because of that. */
static bool is_hasty(const struct source_table *t, const struct source_facts *facts)
{
	uint32_t patience = facts->pool ? t->pool[facts->pool - 1].patience_s : 0;

	return patience > 0 && patience <= (uint32_t)HASTY_S;
}

void source_score(const struct source_table *t, const struct source_facts *facts, uint32_t now_s,
		  struct plan_source *ret)
{
	const struct source_entry *e = facts->entry;
	int32_t score = MIDDLE, fair = fair_log(t, facts->pool), over = 0;
	bool deferred = waits(e, now_s), by_age = false;

	ret->band = PLAN_BAND_GENERAL;
	ret->heavy = heavy_of(t, facts, fair);
	if (!e || (!(e->tag & ENTRY_KNOWN) && attempt_of(t, e, now_s) < 2))
		ret->band = PLAN_BAND_NEW;
	if (e)
		score += (e->tag & ENTRY_KNOWN ? bins(RANK_KNOWN) : 0) +
			 (e->tag & ENTRY_RETRIED ? PLAN_RANK_UNIT : 0) + PLAN_RANK_UNIT;
	if (deferred) {
		score += seniority(t, facts, now_s, ret);
		by_age = promise_runs_out(t, e, now_s);
		if (source_promised(t, facts, now_s)) {
			score += bins(RANK_PROMISE);
			ret->band = PLAN_BAND_PROMISED;
		}
	}
	if (is_hasty(t, facts)) {
		ret->band = PLAN_BAND_PROMISED;
		ret->heavy = ret->heavy == PLAN_HEAVY_SHARE ? PLAN_HEAVY_NO : ret->heavy;
		score += bins(RANK_URGENCY);
		by_age = true;
	}
	if (fair != NONE_LOG && facts->units)
		over = (int32_t)(RANK_DOUBLING * (log2_8(facts->units) - fair));
	if (by_age && ret->heavy == PLAN_HEAVY_SHARE)
		ret->heavy = PLAN_HEAVY_NO;
	if (fair != NONE_LOG && facts->units >= RATE_FULL)
		over = bins(RANK_RATE_MAX);
	if (over > 0 && !by_age)
		score -= over < bins(RANK_RATE_MAX) ? over : bins(RANK_RATE_MAX);
	/* Bins only. Below them the tie-break alone decides, so that a cut-off within a bin cuts
	 * groups and not ranks. */
	ret->rank = (uint16_t)((score < 0		  ? 0
				: score > SOURCE_BINS - 2 ? SOURCE_BINS - 2
							  : score)
			       << PLAN_RANK_SHIFT);
}
