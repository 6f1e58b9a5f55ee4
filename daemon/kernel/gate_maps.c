/* Writes the gate's maps each tick, and reads what the kernel has put there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/gate_parts.h"

static uint32_t share_of(const struct plan_service *s)
{
	uint32_t places = s->window < s->ungreeted_max ? s->window : s->ungreeted_max;

	if (places == PLAN_UNLIMITED)
		return PLAN_UNLIMITED;
	return places < GATE_TICKET_SHARE ? 1 : places / GATE_TICKET_SHARE;
}

void gate_push(struct gate *g, const struct plan *plan, uint32_t ungreeted, bool answer_all)
{
	struct gate_state *s = g->state;
	uint32_t next = s->current + 1;

	/* The kernel reads a plan for at most a microsecond; this copy is overwritten a tick
	 * later. */
	s->plan[next & 1] = *plan;
	s->ungreeted = ungreeted;
	s->waiting_then = __atomic_load_n(&s->pending, __ATOMIC_RELAXED);
	s->share = share_of(&plan->service[g->options.service]);
	s->answer_all = answer_all;
	__atomic_store_n(&s->current, next, __ATOMIC_RELEASE);
}

void gate_pause(struct gate *g, bool paused)
{
	__atomic_store_n(&g->state->paused, paused, __ATOMIC_RELEASE);
}

void gate_resets(struct gate *g, bool resets)
{
	__atomic_store_n(&g->state->resets, resets, __ATOMIC_RELEASE);
}

void gate_beside(struct gate *g, const struct gate_other *other, uint64_t now_us)
{
	struct gate_state *s = g->state;

	s->bucket.tokens_nano = (int64_t)other->tokens_milli * 1000000;
	s->bucket.refilled_us = now_us;
	s->beside_in_flight = other->in_flight;
	s->beside_room = other->room;
	__atomic_store_n(&s->beside, 1, __ATOMIC_RELEASE);
}

void gate_refused_elsewhere(struct gate *g, const struct in6_addr *client, uint64_t epoch)
{
	uint32_t words[4];
	uint64_t who;

	memcpy(words, client, sizeof(words));
	who = IN6_IS_ADDR_V4MAPPED(client) ? UINT64_C(0xffff00000000) | ntohl(words[3])
					   : (uint64_t)ntohl(words[0]) << 32 | ntohl(words[1]);
	/* If this fails, the client only gets its dialogue again. */
	(void)bpf_map_update_elem(g->map[MAP_HEARING], &who, &epoch, BPF_ANY);
}

/* ---- networks ------------------------------------------------------------------------------- */

static void to_key(const struct gate_network *network, struct gate_network_key *key)
{
	memset(key, 0, sizeof(*key));
	key->bits = network->bits;
	memcpy(key->address, &network->address, sizeof(key->address));
	for (unsigned bit = network->bits; bit < 128; bit++)
		key->address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
}

static bool is_among(const struct gate_network_key *key, const struct gate_network *networks,
		     unsigned n)
{
	struct gate_network_key other;

	for (unsigned i = 0; i < n; i++) {
		to_key(&networks[i], &other);
		if (memcmp(key, &other, sizeof(other)) == 0)
			return true;
	}
	return false;
}

static int map_networks(struct gate *g, enum gate_map map, uint32_t *count,
			const struct gate_network *networks, unsigned n)
{
	struct gate_network_key key, next;
	uint32_t one = 1, have = 0;
	void *at = NULL;
	int r = 0;

	for (unsigned i = 0; i < n; i++) {
		to_key(&networks[i], &key);
		if (bpf_map_update_elem(g->map[map], &key, &one, BPF_ANY) < 0)
			r = -errno;
		else
			have++;
	}
	/* The new networks are looked up from now on. Old ones are removed only after that, so that
	 * no client is missed in between. */
	if (have)
		__atomic_store_n(count, have, __ATOMIC_RELEASE);
	while (bpf_map_get_next_key(g->map[map], at, &next) == 0) {
		if (is_among(&next, networks, n)) {
			key = next;
			at = &key;
			continue;
		}
		if (bpf_map_delete_elem(g->map[map], &next) < 0)
			break;
	}
	__atomic_store_n(count, have, __ATOMIC_RELEASE);
	return r;
}

int gate_trusted(struct gate *g, const struct gate_network *networks, unsigned n)
{
	return map_networks(g, MAP_TRUSTED_NETWORKS, &g->state->trusted_count, networks, n);
}

int gate_refused(struct gate *g, const struct gate_network *networks, unsigned n)
{
	return map_networks(g, MAP_REFUSED_NETWORKS, &g->state->refused_count, networks, n);
}

int gate_ranks(struct gate *g, const uint64_t *groups, const struct plan_source *sources,
	       unsigned count, const struct plan_source *absent)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts, .elem_flags = BPF_ANY);
	uint32_t n = count;

	if (count && bpf_map_update_batch(g->map[MAP_RANKS], groups, sources, &n, &opts) < 0)
		return -errno;
	g->state->absent = *absent;
	__atomic_store_n(&g->state->ranked, 1, __ATOMIC_RELEASE);
	return 0;
}

/* ---- verdicts ------------------------------------------------------------------------------- */

static void client_of(const struct smtp_tuple *t, struct gate_event *e)
{
	memcpy(&e->client, t->address, sizeof(e->client));
	e->client_port = t->port;
	e->port = t->local;
}

int gate_event_read(void *context, void *data, size_t size)
{
	struct gate *g = context;
	const struct gate_record *r = data;
	struct gate_event e = { 0 };

	if (size < sizeof(*r))
		return 0;
	client_of(&r->tuple, &e);
	e.finished = r->finished != 0;
	e.verdict = r->verdict;
	e.session_us = r->session_ns / 1000;
	e.at_us = r->at_ns / 1000;
	if (e.finished && g->counts) {
		g->counts->service[g->options.service].finished++;
		g->counts->service[g->options.service].session_us += e.session_us;
	}
	if (g->on_event)
		g->on_event(g->context, &e);
	return 0;
}

static void read_counters(struct gate *g, struct counts_service *c)
{
	struct gate_counters sum = { 0 };
	const uint64_t *from;
	uint64_t *to;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(g->map[MAP_COUNTERS], &zero, g->per_cpu) < 0)
		return;
	for (int cpu = 0; cpu < g->cpus; cpu++) {
		from = (const uint64_t *)&g->per_cpu[cpu];
		to = (uint64_t *)&sum;
		for (unsigned i = 0; i < sizeof(sum) / sizeof(*to); i++)
			to[i] += from[i];
	}
	c->offered += sum.offered - g->last.offered;
	c->admitted += sum.admitted - g->last.admitted;
	c->deferred += sum.deferred - g->last.deferred;
	c->would_defer += sum.would_defer - g->last.would_defer;
	c->refused_reset += sum.reset - g->last.reset;
	for (int i = 0; i < REASON__COUNT; i++) {
		c->admitted_by[i] += sum.admitted_by[i] - g->last.admitted_by[i];
		c->deferred_by[i] += sum.deferred_by[i] - g->last.deferred_by[i];
	}
	for (int i = 0; i < LIMIT__COUNT; i++)
		c->deferred_limit[i] += sum.deferred_limit[i] - g->last.deferred_limit[i];
	g->last = sum;
}

enum reason gate_reason(struct gate *g, const struct in6_addr *client, uint16_t client_port,
			uint16_t port)
{
	struct smtp_tuple t = { .port = client_port, .local = port };
	struct gate_refusal refusal;

	memcpy(t.address, client, sizeof(t.address));
	if (bpf_map_lookup_elem(g->map[MAP_REFUSED], &t, &refusal) < 0 ||
	    refusal.verdict.reason >= REASON__COUNT)
		return REASON_NONE;
	return (enum reason)refusal.verdict.reason;
}

void gate_poll(struct gate *g, uint64_t now_us, struct counts *counts,
	       void (*on_event)(void *context, const struct gate_event *event), void *context)
{
	struct counts_service *c = &counts->service[g->options.service];
	struct gate_state *s = g->state;
	uint64_t errors;
	int64_t taken;

	g->counts = counts;
	g->on_event = on_event;
	g->context = context;
	ring_buffer__consume(g->ring);
	read_counters(g, c);
	gate_judge_tickets(g, now_us);
	gate_expire_tickets(g, now_us);
	/* A ticket that does not count is not a session. */
	taken = __atomic_load_n(&s->places_taken, __ATOMIC_RELAXED) - s->pending_then +
		(s->pending_likely < s->pending_max ? s->pending_likely : s->pending_max);
	c->in_flight = s->sessions > 0 ? (uint64_t)s->sessions : 0;
	c->shadow_in_flight = taken > 0 ? (uint64_t)taken : 0;
	errors = s->events_lost + s->sessions_lost;
	if (errors > g->last_errors)
		counts->errors += errors - g->last_errors;
	g->last_errors = errors;
	c->postponed += s->postponed - g->last_postponed;
	g->last_postponed = s->postponed;
	counts->heartbeat_us = now_us;
	counts->serves = UINT64_C(1) << g->options.service;
}
