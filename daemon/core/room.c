#include "core/room.h"

#include <stddef.h>
#include <string.h>

#include "core/plan.h"
#include "core/splitmix.h"

#define BIN_SHIFT 6 /* core/source_score.c: eighths of a unit of rank */
#define DOUBLING_BINS 32 /* four units */

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

/* 32 log2(1 + n), the part below a doubling by a straight line. */
static uint32_t log_bins(uint32_t n)
{
	uint64_t x = (uint64_t)n + 1;
	unsigned power = 63 - (unsigned)__builtin_clzll(x);

	return DOUBLING_BINS * power +
	       (uint32_t)((x - (UINT64_C(1) << power)) * DOUBLING_BINS >> power);
}

uint32_t room_order(uint16_t rank, uint32_t sessions)
{
	/* Above zero whatever is taken off, and below ROOM_OWED. */
	return (PLAN_RANK_MAX >> BIN_SHIFT) + DOUBLING_BINS * 32 + (rank >> BIN_SHIFT) -
	       log_bins(sessions);
}

uint32_t room_ahead(const struct room *room, uint32_t order)
{
	uint32_t ahead = 0;

	for (const struct room_node *n = room->root; n;) {
		if (n->order < order) {
			n = n->left;
			continue;
		}
		ahead += size_of(n->left) + 1;
		n = n->right;
	}
	return ahead;
}

uint64_t room_expected_us(uint32_t ahead, uint32_t pass_milli)
{
	if (!ahead)
		return 0;
	return pass_milli ? ahead * UINT64_C(1000000000) / pass_milli : ROOM_NEVER;
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

/* `n` takes the place of its parent. */
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

/* Behind all of the same order: they came before. */
static void insert(struct room *room, struct room_node *node)
{
	struct room_node **at = &room->root, *parent = NULL;

	while (*at) {
		parent = *at;
		at = parent->order < node->order ? &parent->left : &parent->right;
	}
	*at = node;
	node->parent = parent;
	node->left = node->right = NULL;
	node->priority = (uint32_t)(splitmix_next(&room->random) >> 32);
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

struct room_node *room_next(const struct room_node *node)
{
	struct room_node *n = node->right;

	if (n) {
		while (n->left)
			n = n->left;
		return n;
	}
	for (n = node->parent; n && n->right == node; n = n->parent)
		node = n;
	return n;
}

uint64_t room_oldest_us(const struct room *room)
{
	return room->root ? room->root->oldest_us : 0;
}

uint64_t room_deadline_us(const struct room *room)
{
	return room->root ? room->root->earliest_us : ROOM_NEVER;
}

struct room_node *room_expired(const struct room *room, uint64_t now_us)
{
	struct room_node *n = room->root;
	uint64_t earliest_us = room_deadline_us(room);

	if (!n || earliest_us > now_us)
		return NULL;
	while (n->deadline_us != earliest_us)
		n = n->left && n->left->earliest_us == earliest_us ? n->left : n->right;
	return n;
}

/* ---- who comes, and who gets a place */

#define FADES_EVERY_US 100000u
#define FADES_PART 8 /* of a count goes each time: a mean over .8 s */
#define FORGOTTEN 64 /* times, and next to nothing is left */
#define ONE 256u
#define BIN_BITS 4 /* of an order: half of a doubling is one bin */
#define SURE_SIGMAS 1.5

static unsigned bin_of(uint32_t order)
{
	uint32_t bin = order >> BIN_BITS;

	return bin < ROOM_ORDER_BINS ? bin : ROOM_ORDER_BINS - 1;
}

static void count_arrival(struct room_arrivals *a, uint32_t order, uint64_t now_us)
{
	uint64_t times = now_us > a->faded_us ? (now_us - a->faded_us) / FADES_EVERY_US : 0;

	if (times > FORGOTTEN)
		memset(a->bin, 0, sizeof(a->bin));
	for (uint64_t n = 0; n < times && times <= FORGOTTEN; n++)
		for (unsigned i = 0; i < ROOM_ORDER_BINS; i++)
			a->bin[i] -= (a->bin[i] + FADES_PART - 1) / FADES_PART;
	a->faded_us += times * FADES_EVERY_US;
	a->bin[bin_of(order)] += ONE;
}

/* Connections of a higher order, a second x 1000. */
static double higher_milli(const struct room_arrivals *a, uint32_t order)
{
	uint64_t sum = 0;

	for (unsigned i = bin_of(order) + 1; i < ROOM_ORDER_BINS; i++)
		sum += a->bin[i];
	return (double)sum / ONE * 1e9 / (FADES_EVERY_US * FADES_PART);
}

/* So long it may wait: what is expected errs. The last of those who were let in because they would
 * just get through must not all wait in vain. */
static uint64_t time_us(uint32_t hold_us)
{
	return hold_us + hold_us / ROOM_SLACK_PART;
}

/* Whether it gets one of the places that come free in its time, less those that a higher order will
 * take. These vary by the square root of their number. */
static bool is_sure(const struct room *room, const struct room_offer *offer, uint32_t ahead)
{
	double seconds = (double)time_us(offer->hold_us) / 1e6;
	double taken = higher_milli(&room->arrivals, offer->order) / 1e3 * seconds;
	double left = offer->pass_milli / 1e3 * seconds - taken - ahead;

	return left > 0 && left * left > SURE_SIGMAS * SURE_SIGMAS * taken;
}

enum room_answer room_enter(struct room *room, const struct room_offer *offer,
			    struct room_node *node, struct room_node **ret_out)
{
	struct room_node *out = NULL;
	uint32_t ahead = room_ahead(room, offer->order);

	count_arrival(&room->arrivals, offer->order, offer->now_us);
	if (!offer->hold_us || room_expected_us(ahead, offer->pass_milli) >= offer->hold_us)
		return ROOM_TOO_LONG;
	if (offer->stands && !is_sure(room, offer, ahead))
		return ROOM_OVERTAKEN;
	if (room_count(room) >= offer->most) {
		out = last(room);
		if (!out || out->order >= offer->order)
			return ROOM_FULL;
		room_leave(room, out);
		*ret_out = out;
	}
	node->order = offer->order;
	node->since_us = offer->now_us;
	node->deadline_us = offer->now_us + time_us(offer->hold_us);
	insert(room, node);
	return out ? ROOM_INSTEAD : ROOM_WAIT;
}

/* ---- debts */

void room_debts_init(struct room_debts *debts, uint64_t seed)
{
	memset(debts, 0, sizeof(*debts));
	debts->seed = seed;
}

static unsigned home(const struct room_debts *debts, uint64_t group)
{
	uint64_t state = group ^ debts->seed;

	return (unsigned)(splitmix_next(&state) % (ROOM_DEBTS / ROOM_DEBT_WAYS)) * ROOM_DEBT_WAYS;
}

/* When something happened to it, the last time. */
static uint64_t last_us(const struct room_debt *debt)
{
	return debt->since_us > debt->settled_us ? debt->since_us : debt->settled_us;
}

static struct room_debt *find(const struct room_debts *debts, uint64_t group)
{
	const struct room_debt *set = &debts->debt[home(debts, group)];

	for (unsigned i = 0; i < ROOM_DEBT_WAYS; i++)
		if (last_us(&set[i]) && set[i].group == group)
			return (struct room_debt *)&set[i];
	return NULL;
}

void room_owe(struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	struct room_debt *set = &debts->debt[home(debts, group)], *at = find(debts, group);

	if (at) {
		at->since_us = now_us;
		return;
	}
	at = set;
	for (unsigned i = 1; i < ROOM_DEBT_WAYS; i++)
		if (last_us(&set[i]) < last_us(at))
			at = &set[i];
	*at = (struct room_debt){ .group = group, .since_us = now_us };
}

void room_owe_told(struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	const struct room_debt *debt = find(debts, group);

	if (!debt || !debt->settled_us || now_us - debt->settled_us >= ROOM_DEBT_RESTS_US)
		room_owe(debts, group, now_us);
}

bool room_owes(const struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	return room_owed_since_us(debts, group, now_us) > 0;
}

uint64_t room_owed_since_us(const struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	const struct room_debt *debt = find(debts, group);

	return debt && debt->since_us && now_us - debt->since_us < ROOM_DEBT_LASTS_US
		       ? debt->since_us
		       : 0;
}

void room_settle(struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	struct room_debt *debt = find(debts, group);

	if (!debt || !debt->since_us)
		return;
	debt->since_us = 0;
	debt->settled_us = now_us;
}
