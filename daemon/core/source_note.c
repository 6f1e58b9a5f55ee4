/* Takes events of the fronts into the table: which source connected, what it was told, what it
 * cost. */
#include <string.h>

#include "core/source_parts.h"
#include "core/splitmix.h"

struct noted {
	struct source_keys keys;
	struct ledger_place ledger;
	struct rate_place network, address;
};

static void locate(const struct source_table *t, const struct source_event *event,
		   struct noted *ret)
{
	source_keys(t, event->address, &ret->keys);
	ret->ledger = ledger_place(t, ret->keys.group);
	ledger_prefetch(t, &ret->ledger);
	ret->network = rate_place(t, ret->keys.network, RATE_NETWORK);
	rate_prefetch(t, &ret->network);
	ret->address = rate_place(t, ret->keys.address, RATE_ADDRESS);
	rate_prefetch(t, &ret->address);
}

/* Whole units. A fraction is rounded up or down at random, so that the average is right. */
static uint32_t units_of(struct source_table *t, double us)
{
	double units = us / t->unit_us, whole = (double)(uint64_t)units;

	return (uint32_t)whole + (splitmix_unit(&t->random) < units - whole);
}

/* ---- who waits ------------------------------------------------------------------------------ */

static void learn_gap(struct source_entry *e, uint32_t now_s)
{
	const uint32_t keeps = (uint32_t)GAP_KEEPS;
	uint32_t gap = (now_s - e->last) / GAP_UNIT_S;

	if (gap > UINT16_MAX)
		gap = UINT16_MAX;
	e->gap = (uint16_t)(e->gap ? (keeps * e->gap + gap) / (keeps + 1) : gap);
}

static void learn_usual(struct source_entry *e, uint32_t units)
{
	const int32_t most = log2_8((uint32_t)PAST_TIMES);
	int32_t rate = log2_8(units), step = rate - e->usual;

	if (step > most)
		step = most;
	if (step < 0)
		step = -1;
	e->usual = (uint8_t)(e->usual + step > UINT8_MAX ? UINT8_MAX : e->usual + step);
}

static void count_age(struct source_table *t, const struct source_entry *e, uint32_t now_s)
{
	uint32_t age = now_s > e->first ? now_s - e->first : 0;

	t->ages[source_age_class(age)]++;
	t->age_sum_s += age;
	t->age_count++;
}

static void admit(struct source_table *t, struct source_entry *e, uint32_t units, uint32_t now_s)
{
	bool proper = now_s >= e->last && now_s - e->last >= t->proper_s;

	if (e->tag & ENTRY_DEFERRED) {
		if (entry_waits(e, now_s)) {
			count_age(t, e, now_s);
			if (proper)
				learn_gap(e, now_s);
			if (e->tries >= 2 || proper)
				e->tag |= ENTRY_RETRIED;
		}
		e->first = e->last = now_s;
		e->tries = 0;
	} else if (now_s > e->last && now_s - e->last >= RATE_EPOCH_S) {
		learn_usual(e, units);
		e->last = now_s;
	}
	e->tag &= ~(uint32_t)(ENTRY_DEFERRED | ENTRY_LATE);
}

static void defer(struct source_table *t, struct source_entry *e, uint32_t now_s)
{
	if (!entry_waits(e, now_s)) {
		e->tag |= ENTRY_DEFERRED;
		e->tag &= ~(uint32_t)ENTRY_LATE;
		e->first = e->last = now_s;
		e->tries = 1;
	} else if (now_s >= e->last && now_s - e->last >= t->proper_s) {
		learn_gap(e, now_s);
		e->last = now_s;
		e->tries = (uint8_t)(e->tries < UINT8_MAX ? e->tries + 1 : UINT8_MAX);
	}
	/* A retry that comes earlier does not change its priority. */
}

static void name_waiter(struct source_table *t, const struct source_event *event, uint64_t group,
			const struct source_entry *e, uint32_t now_s)
{
	struct source_waiter *w = &t->waiter[waiter_slot(t, group)];
	bool same = w->last && w->group == group;

	if (!(e->tag & ENTRY_DEFERRED)) {
		if (same)
			w->last = 0;
		return;
	}
	if (!same && w->last && w->since <= e->first && waiter_waits(w, now_s))
		return;
	w->group = group;
	memcpy(w->address, event->address, sizeof(w->address));
	w->since = e->first;
	w->last = now_s;
}

/* ---- events --------------------------------------------------------------------------------- */

static bool is_shed(uint8_t limit)
{
	return limit == LIMIT_CUTOFF || limit == LIMIT_WINDOW || limit == LIMIT_UNGREETED ||
	       limit == LIMIT_RATE;
}

static void note_promise(struct source_table *t, const struct source_event *event,
			 const struct plan_source *source, uint32_t count)
{
	t->promised += count;
	t->promised_lately += (float)count;
	/* A source with an unusual rate, or with too many sessions at once, has no promise for that
	 * part. */
	if (event->admitted || !is_shed(event->limit) || source->heavy)
		return;
	t->broken += count;
	t->broken_lately += (float)count;
}

/* In observe mode the verdict is the one that enforcing would give. A source over the operator's
 * limit is not a load that could be shared. */
static void note_arrival(struct source_table *t, const struct source_event *event,
			 const struct plan_source *source, uint32_t count)
{
	if (event->limit != LIMIT_NONE && !is_shed(event->limit))
		return;
	cutoff_crowded(t, event->service, source,
		       event->limit != LIMIT_NONE && event->limit != LIMIT_CUTOFF, count);
	if (event->limit != LIMIT_NONE && source->heavy)
		cutoff_heavy(t, event->service, count);
	else
		cutoff_note(t, event->service, source, count);
}

static void note_attempt(struct source_table *t, const struct source_event *event,
			 const struct noted *n, uint32_t count, uint32_t now_s)
{
	struct source_entry e = { .first = now_s, .last = now_s };
	struct source_facts facts = { .pool = n->keys.pool };
	struct plan_source source = { .group = n->keys.group };
	float units = t->cost_us / (float)t->unit_us * (float)count;

	if (event->reason == REASON_TRUSTED || event->reason == REASON_BLIND) {
		cutoff_exempt(t, event->service, count);
		return;
	}
	if (event->reason == REASON_UNSHED || event->reason == REASON_STALE ||
	    event->reason == REASON_REFUSED)
		return;
	if (ledger_get(t, &n->ledger, &e))
		facts.entry = &e;
	facts.units = rate_get(t, &n->network);
	if (t->rate_max)
		facts.connections = rate_get(t, &n->address);
	source_score(t, &facts, now_s, &source);
	note_arrival(t, event, &source, count);
	if (source_promised(t, &facts, now_s))
		note_promise(t, event, &source, count);
	hll_add(t, n->keys.group);
	top_add(t, event->address, n->keys.network, units, !event->admitted, count);
	rate_add(t, &n->address, count);
	t->connections[0] += count;
	/* Count what it asks for, not only what it gets. Otherwise a source that is refused would
	 * look as light as the others, and a thousand attempts of one source would set the cut-off
	 * for all. */
	rate_add(t, &n->network, units_of(t, (double)units * t->unit_us));
	if (event->admitted)
		admit(t, &e, facts.units, now_s);
	else
		defer(t, &e, now_s);
	/* An admission alone does not put a source into the ledger. A new source enters it when a
	 * session that did a job ends, or when it must wait. Otherwise a million empty connections
	 * would displace all known sources. */
	if (!facts.entry && event->admitted)
		return;
	ledger_put(t, &n->ledger, &e);
	name_waiter(t, event, n->keys.group, &e, now_s);
}

/* The session failed: its sender waits from now on, and is owed an admission at its next proper
 * attempt. */
static void note_late(struct source_table *t, const struct source_event *event,
		      const struct noted *n, uint32_t now_s)
{
	struct source_entry e = { 0 };

	if (!ledger_get(t, &n->ledger, &e))
		return; /* trusted, or not noted */
	/* A source that waits already was held, and refused after its wait: that goes on. */
	if (!entry_waits(&e, now_s)) {
		e.first = e.last = now_s;
		e.tries = 1;
	}
	e.tag |= ENTRY_DEFERRED | ENTRY_LATE;
	ledger_put(t, &n->ledger, &e);
	name_waiter(t, event, n->keys.group, &e, now_s);
}

static void earn(struct source_table *t, const struct noted *n, uint32_t now_s)
{
	struct source_entry e = { .first = now_s, .last = now_s };

	if (ledger_get(t, &n->ledger, &e) && (e.tag & ENTRY_KNOWN))
		return;
	e.tag |= ENTRY_KNOWN;
	ledger_put(t, &n->ledger, &e);
}

static void note_finished(struct source_table *t, const struct source_event *event,
			  const struct noted *n, uint32_t now_s)
{
	float us = (float)event->server_us < COST_MAX_US ? (float)event->server_us : COST_MAX_US;
	float more = us - t->cost_us; /* cost_us was charged when it was admitted */

	if (event->turns >= SOURCE_JOB_TURNS)
		earn(t, n, now_s);
	if (!event->server_us)
		return; /* not known */
	t->cost_us += (float)COST_SHARE * more;
	if (t->cost_us < COST_MIN_US)
		t->cost_us = COST_MIN_US;
	if (more <= 0)
		return;
	rate_add(t, &n->network, units_of(t, (double)more));
	top_add(t, event->address, n->keys.network, more / (float)t->unit_us, false, 0);
}

static void note_one(struct source_table *t, const struct source_event *event,
		     const struct noted *n, uint32_t now_s)
{
	uint32_t count = event->count ? event->count : 1;

	if (count > EVENTS_MAX)
		count = EVENTS_MAX;
	t->noted++;
	if (event->kind == SOURCE_ATTEMPT)
		note_attempt(t, event, n, count, now_s);
	else if (event->kind == SOURCE_LATE)
		note_late(t, event, n, now_s);
	else
		note_finished(t, event, n, now_s);
}

struct source_event source_attempt(const uint8_t *address, unsigned service, struct verdict v)
{
	struct source_event e = { .kind = SOURCE_ATTEMPT,
				  .service = (uint8_t)service,
				  .admitted = v.admit,
				  .reason = v.reason,
				  .limit = v.limit };

	memcpy(e.address, address, sizeof(e.address));
	return e;
}

void sources_note(struct source_table *t, const struct source_event *events, unsigned count,
		  uint64_t now_us)
{
	struct noted noted[EVENTS_AHEAD];
	uint32_t now_s = source_seconds(t, now_us);

	for (unsigned from = 0; from < count; from += EVENTS_AHEAD) {
		unsigned n = count - from < EVENTS_AHEAD ? count - from : EVENTS_AHEAD;

		for (unsigned i = 0; i < n; i++)
			locate(t, &events[from + i], &noted[i]);
		for (unsigned i = 0; i < n; i++) {
			const struct source_event *event = &events[from + i];

			if (event->kind >= SOURCE_EVENT__COUNT || event->service >= PLAN_SERVICES)
				t->forgotten++;
			else
				note_one(t, event, &noted[i], now_s);
		}
	}
}
