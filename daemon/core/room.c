#include "core/room.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "core/law.h"
#include "core/plan.h"
#include "core/splitmix.h"

#define DOUBLING_BINS (RANK_DOUBLING * PLAN_RANK_UNIT)
/* Bins that the sessions of a source can take away at most. */
#define SESSIONS_BINS ((uint32_t)(DOUBLING_BINS * ROOM_DOUBLINGS))
#define RANK_BINS (PLAN_RANK_MAX >> PLAN_RANK_SHIFT)
#define ORDER_TOP (RANK_BINS + SESSIONS_BINS + RANK_BINS + 2) /* above every room_order() */

void room_init(struct room *room, uint64_t seed)
{
	*room = (struct room){ .random = seed };
}

static uint32_t size_of(const struct room_node *n)
{
	return n ? n->size : 0;
}

uint32_t room_count(const struct room *room)
{
	return size_of(room->root);
}

/* DOUBLING_BINS log2(1 + n), linear between powers of two. */
static uint32_t log_bins(uint32_t n)
{
	uint64_t x = (uint64_t)n + 1, whole;
	unsigned power = 0;

	while (x >> power > 1)
		power++;
	whole = UINT64_C(1) << power;
	return (uint32_t)(DOUBLING_BINS * power +
			  DOUBLING_BINS * (double)(x - whole) / (double)whole);
}

uint32_t room_order(uint16_t rank, uint32_t sessions)
{
	/* Above zero whatever is subtracted, and below ROOM_OWED. */
	return RANK_BINS + SESSIONS_BINS + (rank >> PLAN_RANK_SHIFT) - log_bins(sessions);
}

uint64_t room_expected_us(uint32_t ahead, uint32_t pass_milli)
{
	if (!ahead)
		return 0;
	return pass_milli ? ahead * (uint64_t)(MILLI * US_IN_S) / pass_milli : ROOM_NEVER;
}

/* ---- the tree */

static void gather_child(struct room_node *n, const struct room_node *child)
{
	if (child && child->earliest_us < n->earliest_us)
		n->earliest_us = child->earliest_us;
	if (child && child->oldest_us < n->oldest_us)
		n->oldest_us = child->oldest_us;
}

static void gather(struct room_node *n)
{
	n->size = 1 + size_of(n->left) + size_of(n->right);
	n->earliest_us = n->deadline_us;
	n->oldest_us = n->since_us;
	gather_child(n, n->left);
	gather_child(n, n->right);
}

static void put_child(struct room *room, struct room_node *parent, struct room_node *old,
		      struct room_node *child)
{
	if (!parent)
		room->root = child;
	else if (parent->left == old)
		parent->left = child;
	else
		parent->right = child;
	if (child)
		child->parent = parent;
}

/* Moves `n` to the place of its parent. */
static void rotate_up(struct room *room, struct room_node *n)
{
	struct room_node *parent = n->parent, *inner = parent->left == n ? n->right : n->left;

	put_child(room, parent->parent, parent, n);
	if (parent->left == n) {
		parent->left = inner;
		n->right = parent;
	} else {
		parent->right = inner;
		n->left = parent;
	}
	if (inner)
		inner->parent = parent;
	parent->parent = n;
	gather(parent);
	gather(n);
}

/* Inserts a node after all with the same key. */
static void insert(struct room *room, struct room_node *node)
{
	struct room_node **at = &room->root, *parent = NULL;

	while (*at) {
		parent = *at;
		at = parent->key_us > node->key_us ? &parent->left : &parent->right;
	}
	*at = node;
	node->parent = parent;
	node->left = node->right = NULL;
	node->priority = (uint32_t)splitmix_next(&room->random);
	gather(node);
	while (node->parent && node->priority > node->parent->priority)
		rotate_up(room, node);
	for (struct room_node *n = node->parent; n; n = n->parent)
		gather(n);
}

void room_leave(struct room *room, struct room_node *node)
{
	struct room_node *parent;

	while (node->left && node->right)
		rotate_up(room,
			  node->left->priority > node->right->priority ? node->left : node->right);
	parent = node->parent;
	put_child(room, parent, node, node->left ? node->left : node->right);
	for (struct room_node *n = parent; n; n = n->parent)
		gather(n);
	node->parent = node->left = node->right = NULL;
	node->size = 0;
}

struct room_node *room_first(const struct room *room)
{
	struct room_node *n = room->root;

	while (n && n->left)
		n = n->left;
	return n;
}

static struct room_node *last(const struct room *room)
{
	struct room_node *n = room->root;

	while (n && n->right)
		n = n->right;
	return n;
}

void room_postpone(struct room_node *n, uint64_t us)
{
	n->deadline_us += us;
	for (; n; n = n->parent)
		gather(n);
}

uint64_t room_oldest_us(const struct room *room)
{
	return room->root ? room->root->oldest_us : 0;
}

static struct room_node *expired(const struct room *room, uint64_t now_us)
{
	struct room_node *n = room->root;
	uint64_t earliest_us = n ? n->earliest_us : ROOM_NEVER;

	if (!n || earliest_us > now_us)
		return NULL;
	while (n->deadline_us != earliest_us)
		n = n->left && n->left->earliest_us == earliest_us ? n->left : n->right;
	return n;
}

/* ---- arrivals and places */

/* After so many ticks next to nothing of a count is left. */
#define FORGOTTEN_TICKS (ROOM_ARRIVALS_TICKS * ROOM_ARRIVALS_TICKS)

static unsigned bin_of(uint32_t order)
{
	uint32_t bin = order >> ROOM_ORDER_SHIFT;

	return bin < ROOM_ORDER_BINS ? bin : ROOM_ORDER_BINS - 1;
}

static void count_arrival(struct room_arrivals *a, uint32_t order, uint64_t now_us)
{
	uint64_t ticks = now_us > a->faded_us ? (now_us - a->faded_us) / ROOM_TICK_US : 0;
	const uint32_t part = (uint32_t)ROOM_ARRIVALS_TICKS; /* fades in a tick: one of so many */

	if ((double)ticks > FORGOTTEN_TICKS)
		memset(a->bin, 0, sizeof(a->bin));
	else
		for (uint64_t n = 0; n < ticks; n++)
			for (unsigned i = 0; i < ROOM_ORDER_BINS; i++)
				a->bin[i] -= (a->bin[i] + part - 1) / part;
	a->faded_us += ticks * ROOM_TICK_US;
	a->bin[bin_of(order)] += ROOM_ONE;
}

/* Arrivals of a higher order, a second x 1000. */
static double higher_milli(const struct room_arrivals *a, uint32_t order)
{
	uint64_t sum = 0;

	for (unsigned i = bin_of(order) + 1; i < ROOM_ORDER_BINS; i++)
		sum += a->bin[i];
	return (double)sum / ROOM_ONE * MILLI * US_IN_S / (ROOM_TICK_US * ROOM_ARRIVALS_TICKS);
}

static bool stands(const struct room_terms *terms)
{
	return terms->hold_us < terms->longest_us;
}

/* The longest expected wait with which the connection may wait. */
static uint32_t limit_us(const struct room_offer *offer)
{
	if (!stands(&offer->terms))
		return offer->terms.longest_us;
	if (offer->order != ROOM_OWED)
		return offer->terms.hold_us;
	return (uint32_t)(offer->terms.longest_us * ROOM_DOUBLING_WAIT);
}

/* The deadline has some slack, because the expected wait is not exact: the number of places that
 * come free varies, and so does the number of connections of a higher order. Without slack, the
 * last connections that were let in because they would just get through would wait in vain. But no
 * connection waits for longer than the longest wait and a part of it. */
static uint64_t deadline_us(const struct room_offer *offer)
{
	return offer->now_us + limit_us(offer) + (uint64_t)(offer->terms.longest_us * ROOM_SLACK);
}

/* The time at which the connection counts as arrived. */
static uint64_t key_us(const struct room_offer *offer)
{
	double below = offer->order < ORDER_TOP ? ORDER_TOP - offer->order : 0;

	return offer->now_us +
	       (uint64_t)(below * offer->terms.longest_us * ROOM_DOUBLING_WAIT / DOUBLING_BINS);
}

static uint32_t count_before(const struct room *room, uint64_t key_us)
{
	uint32_t before = 0;

	for (const struct room_node *n = room->root; n;) {
		if (n->key_us > key_us) {
			n = n->left;
			continue;
		}
		before += size_of(n->left) + 1;
		n = n->right;
	}
	return before;
}

uint32_t room_ahead(const struct room *room, const struct room_offer *offer)
{
	return count_before(room, key_us(offer));
}

/* Whether the connection gets one of the places that come free in its time and a quarter of it,
 * after those that it must leave to a higher order. Their number varies by its square root. */
static bool is_sure(const struct room *room, const struct room_offer *offer, uint32_t ahead)
{
	double seconds = limit_us(offer) / US_IN_S * (1 + ROOM_SLACK);
	double taken = higher_milli(&room->arrivals, offer->order) / MILLI * seconds;
	double left = offer->terms.pass_milli / MILLI * seconds - taken - ahead;

	return left > 0 && left * left > ROOM_SURE_SIGMAS * ROOM_SURE_SIGMAS * taken;
}

enum room_answer room_enter(struct room *room, const struct room_offer *offer,
			    struct room_node *node, struct room_node **ret_out)
{
	struct room_node *out = NULL;
	uint32_t ahead = room_ahead(room, offer);

	count_arrival(&room->arrivals, offer->order, offer->now_us);
	if (!limit_us(offer) || room_expected_us(ahead, offer->terms.pass_milli) >= limit_us(offer))
		return ROOM_TOO_LONG;
	if (stands(&offer->terms) && !is_sure(room, offer, ahead))
		return ROOM_OVERTAKEN;
	node->key_us = key_us(offer);
	if (room_count(room) >= offer->terms.most) {
		out = last(room);
		if (!out || out->key_us <= node->key_us)
			return ROOM_FULL;
		room_leave(room, out);
		*ret_out = out;
	}
	node->since_us = offer->now_us;
	node->deadline_us = deadline_us(offer);
	insert(room, node);
	return out ? ROOM_INSTEAD : ROOM_WAIT;
}

/* Returns the last connection if its turn comes after its deadline. If it came before the queue
 * stood, later connections overtake it, until those that arrive count as later than it. A
 * connection that was let in since then has left places to those. */
static struct room_node *hopeless(const struct room *room, const struct room_terms *terms,
				  uint64_t now_us)
{
	const struct room_offer usual = { .now_us = now_us,
					  .order = room_order(PLAN_RANK_MAX / 2, 0),
					  .terms = *terms };
	struct room_node *n = last(room);
	uint64_t wait_us;

	if (!n || !terms->pass_milli)
		return NULL;
	wait_us = room_expected_us(room_count(room) - 1, terms->pass_milli);
	if (n->deadline_us > deadline_us(&usual) && n->key_us > key_us(&usual))
		wait_us += n->key_us - key_us(&usual);
	return now_us + wait_us > n->deadline_us ? n : NULL;
}

struct room_node *room_in_vain(const struct room *room, const struct room_terms *terms,
			       uint64_t now_us)
{
	struct room_node *n = expired(room, now_us);

	return n || !stands(terms) ? n : hopeless(room, terms, now_us);
}
