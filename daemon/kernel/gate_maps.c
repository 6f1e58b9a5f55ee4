/* Writes the gate's maps each tick, and reads what the kernel has put there. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "kernel/gate_parts.h"

#define BATCH 1024 /* tickets looked at in a tick, at most */
#define LIFE_MIN_US (1 * US_PER_S)
#define LIFE_MAX_US (3 * US_PER_S)
#define JUDGE_US (2 * US_PER_S)
/* A handshake that takes longer counts as failed. */
#define PATIENCE_MIN_US (US_PER_S / 10)
#define PATIENCE_MAX_US (1 * US_PER_S)
#define PATIENCE_FIRST_US (US_PER_S / 2) /* the same before the first handshake was seen */
#define FLOOD_QUIET_US (60 * US_PER_S)
#define SHARE 8 /* tickets of failed handshakes may hold one place in so many */

static uint32_t share_of(const struct plan_service *s)
{
	uint32_t places = s->window < s->ungreeted_max ? s->window : s->ungreeted_max;

	if (places == PLAN_UNLIMITED)
		return PLAN_UNLIMITED;
	return places < SHARE ? 1 : places / SHARE;
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

int gate_map_networks(struct gate *g, enum gate_map map, uint32_t *count,
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
	return gate_map_networks(g, MAP_TRUSTED_NETWORKS, &g->state->trusted_count, networks, n);
}

int gate_refused(struct gate *g, const struct gate_network *networks, unsigned n)
{
	return gate_map_networks(g, MAP_REFUSED_NETWORKS, &g->state->refused_count, networks, n);
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

/* ---- tickets -------------------------------------------------------------------------------- */

/* Four times the 99th percentile of recent handshakes; 0: there were none. */
static uint64_t long_handshake(struct gate *g)
{
	uint64_t now[GATE_HANDSHAKE_SLOTS], total = 0, sum = 0, us = 0;

	memcpy(now, g->state->handshakes, sizeof(now));
	for (unsigned i = 0; i < GATE_HANDSHAKE_SLOTS; i++)
		total += now[i] - g->handshakes[i];
	for (unsigned i = 0; i < GATE_HANDSHAKE_SLOTS && total; i++) {
		sum += now[i] - g->handshakes[i];
		if (sum * 100 >= total * 99) {
			us = UINT64_C(4) << (i + 1);
			break;
		}
	}
	memcpy(g->handshakes, now, sizeof(now));
	return us;
}

static uint64_t bound(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* Logs a flood when it begins, and again only after it has been over for a minute. */
static void say_flood(struct gate *g, uint64_t now_us)
{
	if (!g->judge.flood)
		return;
	if (!g->flood_us || now_us > g->flood_us + FLOOD_QUIET_US)
		log_warning(
			"Many connection attempts (SYNs) at the gate come to nothing: forged addresses or a scan. Known senders are not affected; "
			"those attempts hold at most one place in %d of the window. Nothing needs to be done.",
			SHARE);
	g->flood_us = now_us;
}

/* Decides how long tickets live (every two seconds) and which of them count (each time). */
static void judge(struct gate *g, uint64_t now_us)
{
	struct gate_state *s = g->state;
	int64_t pending = __atomic_load_n(&s->pending, __ATOMIC_RELAXED);
	struct syn_judgement j;

	if (now_us - g->judged_us >= JUDGE_US) {
		uint64_t us = long_handshake(g);

		g->judged_us = now_us;
		g->ticket_life_us = bound(us, LIFE_MIN_US, LIFE_MAX_US);
		if (us)
			g->patience_us = bound(us, PATIENCE_MIN_US, PATIENCE_MAX_US);
	}
	j = syn_judge_step(&g->judge,
			   &(struct syn_reading){ .now_us = now_us,
						  .syns = s->syns,
						  .handshake_us = s->handshake_us,
						  .patience_us = g->patience_us ? g->patience_us
										: PATIENCE_FIRST_US,
						  .pending = pending > 0 ? (uint32_t)pending : 0,
						  .share = s->share });
	s->pending_then = pending;
	s->pending_likely = j.likely;
	s->pending_max = j.most;
	s->pending_usual = j.usual;
	say_flood(g, now_us);
}

/* The same as peer() of gate.bpf.c. */
static uint64_t peer(const struct smtp_tuple *t)
{
	if (t->address[0] == 0 && t->address[1] == 0 && t->address[2] == htonl(0xffff))
		return 0xffff00000000ull | ntohl(t->address[3]);
	return (uint64_t)ntohl(t->address[0]) << 32 | ntohl(t->address[1]);
}

void gate_release(struct gate *g, const struct smtp_tuple *tuple, uint32_t flags)
{
	uint64_t who = peer(tuple);
	int64_t n;

	if (!(flags & GATE_HOLDS_NONE))
		__atomic_fetch_sub(&g->state->used, 1, __ATOMIC_RELAXED);
	/* For kernels that do not run gate_expire and gate_forget on demand. An entry that is not
	 * mapped cannot be changed atomically from here: the count of an address may be off by
	 * one. */
	if (bpf_map_lookup_elem(g->map[MAP_HELD], &who, &n) < 0)
		return;
	n--;
	if (n <= 0)
		bpf_map_delete_elem(g->map[MAP_HELD], &who);
	else
		bpf_map_update_elem(g->map[MAP_HELD], &who, &n, BPF_EXIST);
}

int gate_by_hand(int program_fd, const uint64_t *words, uint32_t count)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = words,
		    .ctx_size_in = count * (uint32_t)sizeof(*words));

	if (program_fd < 0 || bpf_prog_test_run_opts(program_fd, &opts) < 0)
		return -1;
	return opts.retval != 0;
}

/* The program or thread that deletes an entry also subtracts its one. */
static void expire(struct gate *g, const struct smtp_tuple *t, const struct gate_ticket *ticket)
{
	uint64_t words[4] = { 0 };
	int r;

	_Static_assert(sizeof(*t) <= 3 * sizeof(words[0]), "a tuple in three words");
	memcpy(words, t, sizeof(*t));
	words[3] = ticket->made_ns;
	r = gate_by_hand(g->expire_fd, words, 4);
	if (r < 0 && bpf_map_delete_elem(g->map[MAP_TICKETS], t) == 0) {
		gate_release(g, t, ticket->flags);
		if (!(ticket->flags & GATE_HOLDS_NONE)) {
			__atomic_fetch_sub(&g->state->pending, 1, __ATOMIC_RELAXED);
			__atomic_fetch_add(&g->state->bucket.tokens_nano, PLAN_TOKEN_NANO,
					   __ATOMIC_RELAXED);
			if (ticket->flags & GATE_UNPROVEN)
				__atomic_fetch_sub(&g->state->unproven, 1, __ATOMIC_RELAXED);
		}
		r = 1;
	}
	g->expired += r > 0;
}

/* A limited number of tickets each tick, from where the last tick ended. */
static void expire_tickets(struct gate *g, uint64_t now_us)
{
	struct smtp_tuple keys[BATCH];
	struct gate_ticket values[BATCH];
	uint32_t count = BATCH, next = 0;
	int r = bpf_map_lookup_batch(g->map[MAP_TICKETS], g->walking ? &g->cursor : NULL, &next,
				     keys, values, &count, NULL);

	g->walking = r == 0;
	g->cursor = next;
	if (r != 0 && errno != ENOENT)
		return;
	g->tickets = count;
	for (uint32_t i = 0; i < count; i++)
		if (now_us > values[i].made_ns / 1000 + g->ticket_life_us)
			expire(g, &keys[i], &values[i]);
}

void gate_poll(struct gate *g, uint64_t now_us, struct counts *counts,
	       void (*on_event)(void *context, const struct gate_event *event), void *context)
{
	struct counts_service *c = &counts->service[g->options.service];
	struct gate_state *s = g->state;
	uint64_t errors;
	int64_t used;

	g->counts = counts;
	g->on_event = on_event;
	g->context = context;
	ring_buffer__consume(g->ring);
	read_counters(g, c);
	judge(g, now_us);
	expire_tickets(g, now_us);
	/* A ticket that does not count is not a session. */
	used = __atomic_load_n(&s->used, __ATOMIC_RELAXED) - s->pending_then +
	       (s->pending_likely < s->pending_max ? s->pending_likely : s->pending_max);
	c->in_flight = s->sessions > 0 ? (uint64_t)s->sessions : 0;
	c->shadow_in_flight = used > 0 ? (uint64_t)used : 0;
	errors = s->events_lost + s->sessions_lost;
	if (errors > g->last_errors)
		counts->errors += errors - g->last_errors;
	g->last_errors = errors;
	c->postponed += s->postponed - g->last_postponed;
	g->last_postponed = s->postponed;
	counts->heartbeat_us = now_us;
	counts->serves = UINT64_C(1) << g->options.service;
}
