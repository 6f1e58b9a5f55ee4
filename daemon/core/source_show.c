/* What people see of the table: figures of the whole, one source, lists. */
#include <string.h>

#include "core/source_parts.h"

#define FORESEEN 256 /* how many retries are tried out */
#define WEEK_S (7 * 86400u)

void source_stats(const struct source_table *t, struct source_stats *ret)
{
	*ret = (struct source_stats){ .tracked = t->tracked,
				      .capacity = (uint64_t)t->sets * SET_ENTRIES,
				      .deferred = t->deferred,
				      .evicted = t->evicted,
				      .noted = t->noted,
				      .forgotten = t->forgotten,
				      .active = t->active,
				      .fair_rate = -1,
				      .session_cost_s = t->cost_us / 1e6,
				      .credits_per_s = -1,
				      .promised = t->promised,
				      .broken = t->broken,
				      .age_sum_s = t->age_sum_s,
				      .age_count = t->age_count };
	if (t->deferred)
		ret->oldest_s =
			t->named_oldest > t->swept_oldest ? t->named_oldest : t->swept_oldest;
	if (t->fair_units >= 0)
		ret->fair_rate = t->fair_units * t->unit_us / (double)RATE_EPOCH_US;
	for (unsigned i = 0; i < PLAN_SERVICES; i++) {
		const struct source_arrivals *a = &t->arrivals[i];

		for (int b = 0; b < PLAN_BANDS; b++)
			ret->offered_per_s += a->rate[b];
		ret->promised_per_s += a->rate[PLAN_BAND_PROMISED];
		ret->new_per_s += a->rate[PLAN_BAND_NEW];
		if (a->credits > 0)
			ret->credits_per_s =
				(ret->credits_per_s > 0 ? ret->credits_per_s : 0) + a->credits;
	}
	memcpy(ret->cutoff, t->cutoff, sizeof(ret->cutoff));
	memcpy(ret->ages, t->ages, sizeof(ret->ages));
	ret->infeasible = t->broken_lately > (float)BROKEN_MIN &&
			  t->broken_lately > (float)BROKEN_SHARE * t->promised_lately;
	ret->day = ret->oldest_s >= 86400;
}

uint32_t waiter_slot(const struct source_table *t, uint64_t group)
{
	const uint64_t input[2] = { group, 6 };

	return (uint32_t)XXH3_64bits_withSeed(input, sizeof(input), t->seed[1]) % SOURCE_WAITERS;
}

bool waiter_waits(const struct source_waiter *w, uint32_t now_s)
{
	return w->last && (now_s <= w->last || now_s - w->last <= (uint32_t)ALIVE_S);
}

static bool gather(const struct source_table *t, const uint8_t *address, struct source_keys *keys,
		   struct source_entry *entry, struct source_facts *facts)
{
	struct ledger_place ledger;
	struct rate_place network, one;

	source_keys(t, address, keys);
	ledger = ledger_place(t, keys->group);
	network = rate_place(t, keys->network, RATE_NETWORK);
	one = rate_place(t, keys->address, RATE_ADDRESS);
	*facts = (struct source_facts){ .pool = keys->pool,
					.units = rate_get(t, &network),
					.connections = rate_get(t, &one) };
	if (!ledger_get(t, &ledger, entry))
		return false;
	facts->entry = entry;
	return true;
}

static double units_per_s(const struct source_table *t, double units)
{
	return units * t->unit_us / (double)RATE_EPOCH_US;
}

void source_explain(const struct source_table *t, const uint8_t *address, uint64_t now_us,
		    struct source_view *ret)
{
	uint32_t now_s = source_seconds(t, now_us);
	struct source_keys keys;
	struct source_entry e;
	struct source_facts facts;
	const struct source_top *top;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->address, address, sizeof(ret->address));
	ret->known = gather(t, address, &keys, &e, &facts);
	ret->rate = units_per_s(t, facts.units);
	ret->connections_per_min = facts.connections;
	if (keys.pool && keys.pool <= SOURCE_POOLS)
		memcpy(ret->pool, t->pool[keys.pool - 1].name, sizeof(ret->pool) - 1);
	ret->source.group = keys.group;
	source_score(t, &facts, now_s, &ret->source);
	ret->patience_s = source_patience_s(t, &facts);
	top = top_find(t, keys.network);
	if (top) {
		ret->attempts_total = top->attempts;
		ret->deferred_total = top->deferred;
	}
	if (!ret->known)
		return;
	ret->deferred = entry_waits(&e, now_s);
	ret->proven = e.tag & ENTRY_RETRIED;
	ret->regular = e.tag & ENTRY_KNOWN;
	ret->since_s = e.first;
	ret->last_s = e.last;
	ret->attempts = e.tries;
	ret->gap_s = GAP_UNIT_S * e.gap;
	/* 2^(usual / 8), by whole octaves and eighths of the next */
	ret->usual = e.usual ? units_per_s(t, (double)(UINT64_C(1) << (e.usual / 8)) *
						      (1 + e.usual % 8 / 8.0))
			     : 0;
	if (ret->deferred)
		ret->promised_before_s = (uint64_t)e.first + t->longest_deferral_s;
}

static bool passes(const struct source_table *t, const struct source_facts *facts,
		   const struct source_keys *keys, const struct plan *plan, unsigned service,
		   uint32_t at_s)
{
	struct plan_source source = { .group = keys->group };
	const struct plan_service *s = &plan->service[service];

	source_score(t, facts, at_s, &source);
	if (source.heavy == PLAN_HEAVY_LIMIT)
		return false;
	if (s->reserve_256 == 0)
		return true; /* places are not short: no source comes last */
	return !source.heavy &&
	       plan_score(plan->salt, source.group, source.rank) >= s->cutoff[source.band];
}

uint32_t source_admitted_in_s(const struct source_table *t, const uint8_t *address,
			      const struct plan *plan, unsigned service, uint64_t now_us)
{
	uint32_t now_s = source_seconds(t, now_us), at_s = now_s, gap;
	struct source_keys keys;
	struct source_entry e;
	struct source_facts facts;

	if (service >= PLAN_SERVICES)
		return UINT32_MAX;
	if (!gather(t, address, &keys, &e, &facts)) {
		/* Assume that its first attempt is deferred now. */
		if (passes(t, &facts, &keys, plan, service, now_s))
			return 0;
		e = (struct source_entry){
			.tag = ENTRY_DEFERRED, .first = now_s, .last = now_s, .tries = 1
		};
		facts.entry = &e;
	}
	gap = GAP_UNIT_S * e.gap > t->proper_s ? GAP_UNIT_S * e.gap : t->proper_s;
	for (unsigned i = 0; i < FORESEEN && at_s - now_s <= WEEK_S; i++) {
		if (passes(t, &facts, &keys, plan, service, at_s))
			return at_s - now_s;
		if (!entry_waits(&e, at_s)) {
			e.tag |= ENTRY_DEFERRED;
			e.first = e.last = at_s;
			e.tries = 1;
		} else if (at_s - e.last >= t->proper_s) {
			e.last = at_s;
			e.tries = (uint8_t)(e.tries < UINT8_MAX ? e.tries + 1 : UINT8_MAX);
		}
		at_s = at_s < e.last + gap ? e.last + gap : at_s + gap;
	}
	return UINT32_MAX;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static double order_of(const struct source_view *v, enum source_sort sort)
{
	switch (sort) {
	case SOURCE_BY_AGE:
		return v->deferred ? -(double)v->since_s : -1e18;
	case SOURCE_BY_ATTEMPTS:
		return (double)v->attempts_total;
	default:
		return v->rate + (double)v->attempts_total * 1e-12;
	}
}

/* Keeps the first `most` in order. */
static unsigned insert(struct source_view *list, unsigned count, unsigned most,
		       const struct source_view *v, enum source_sort sort)
{
	double order = order_of(v, sort);
	unsigned at = count;

	if (count == most && (most == 0 || order <= order_of(&list[most - 1], sort)))
		return count;
	if (count < most)
		count++;
	else
		at = most - 1;
	while (at > 0 && order > order_of(&list[at - 1], sort)) {
		list[at] = list[at - 1];
		at--;
	}
	list[at] = *v;
	return count;
}

static bool is_listed(const struct source_table *t, uint64_t network)
{
	return top_find(t, network) != NULL;
}

unsigned source_list(const struct source_table *t, enum source_sort sort, uint64_t now_us,
		     struct source_view *ret, unsigned most)
{
	uint32_t now_s = source_seconds(t, now_us);
	struct source_keys keys;
	struct source_view v;
	unsigned count = 0;

	for (unsigned i = 0; i < t->tops; i++) {
		source_explain(t, t->top[i].address, now_us, &v);
		count = insert(ret, count, most, &v, sort);
	}
	for (unsigned i = 0; i < SOURCE_WAITERS; i++) {
		if (!waiter_waits(&t->waiter[i], now_s))
			continue;
		source_keys(t, t->waiter[i].address, &keys);
		if (is_listed(t, keys.network))
			continue;
		source_explain(t, t->waiter[i].address, now_us, &v);
		count = insert(ret, count, most, &v, sort);
	}
	return count;
}
