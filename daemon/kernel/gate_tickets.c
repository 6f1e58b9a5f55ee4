/* The gate's tickets (bpf/gate.bpf.c): how long they live, which of them count, and what is given
 * back when one ends. */
#include <arpa/inet.h>
#include <errno.h>
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
			"those attempts hold at most 1/%d of the window. Nothing needs to be done.",
			GATE_TICKET_SHARE);
	g->flood_us = now_us;
}

void gate_judge_tickets(struct gate *g, uint64_t now_us)
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
		__atomic_fetch_sub(&g->state->places_taken, 1, __ATOMIC_RELAXED);
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

void gate_expire_tickets(struct gate *g, uint64_t now_us)
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
