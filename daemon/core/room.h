/* The waiting room: connections for which there is no place, in the order in which they get one.
 *
 * Order: first sources that are owed a place (they waited in vain before, or were refused late),
 * then by rank, then the one that has waited longest. So a share is an order here and not a
 * refusal: a source with many sessions comes later, see room_order().
 *
 * A connection is refused only when its expected wait is too long: the number of connections
 * before it, divided by the places that come free in a second. When the room is full it is
 * refused too, unless it comes before the last one there: then that one is refused instead.
 *
 * Example: 40 places a second come free, plan.hold_us is 2 s, and 60 wait. A newcomer of the
 * usual rank has an expected wait of 60 / 40 = 1.5 s and may wait. With 90 waiting it would be
 * 2.25 s, and the newcomer is refused at once. One that comes before 70 of the 90 may wait: 20 /
 * 40 = .5 s.
 *
 * While the queue stands the hold is short, and connections of a higher order that come meanwhile
 * take places as well. A newcomer is refused at once when it cannot be sure of a place. How many
 * places they take follows from the rate at which each order comes, and varies by chance. A source
 * that is refused for that alone is owed the next place. Example: 100 places a second, a hold of .2
 * s and .05 s of slack: 25 places come free in its time. 60 a second of a higher order come: they
 * take 15, give or take 3.9. With 4 before it 6 places are left, more than 1.5 x 3.9 = 5.8: it may
 * wait. With 5 before it is refused.
 *
 * A node belongs to the caller and is in at most one room. There is no clock and no allocation.
 * The nodes are a treap (Seidel and Aragon: Randomized search trees, 1996) in which each knows
 * the size and the earliest deadline of what is below it: all is O(log n). */
#ifndef PENSTOCK_CORE_ROOM_H
#define PENSTOCK_CORE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#define ROOM_OWED UINT32_MAX /* order of who is owed the next place */
#define ROOM_NEVER UINT64_MAX
#define ROOM_SLACK_PART 4 /* the wait may be longer than expected by this part of it */

struct room_node {
	struct room_node *parent, *left, *right; /* left comes first */
	uint64_t since_us, deadline_us;
	uint64_t earliest_us, oldest_us; /* deadline, and since_us, of it and all below it */
	uint32_t size; /* of it and all below it */
	uint32_t order; /* more comes first */
	uint32_t priority;
};

/* How often connections of which order ask for a place: counts that fade. */
#define ROOM_ORDER_BINS 256u
struct room_arrivals {
	uint64_t faded_us;
	uint32_t bin[ROOM_ORDER_BINS]; /* connections x 256, the last .8 s for the most part */
};

struct room {
	struct room_node *root;
	uint64_t random;
	struct room_arrivals arrivals;
};

/* A connection asks to wait. */
struct room_offer {
	uint64_t now_us;
	uint32_t order; /* room_order(), or ROOM_OWED */
	uint32_t hold_us; /* it may wait if it has to expect no more than this; 0: not at all */
	uint32_t pass_milli; /* places that come free: a second x 1000 */
	uint32_t most; /* bound of the room */
	bool stands; /* the queue stands: who is not sure of a place is told at once */
};

enum room_answer {
	ROOM_WAIT, /* it is in */
	ROOM_TOO_LONG, /* the wait to expect is over hold_us */
	/* the queue stands, and others will take the places of its time: it is owed the next */
	ROOM_OVERTAKEN,
	ROOM_FULL, /* and it would come last */
	ROOM_INSTEAD, /* it is in, and *ret_out had to go */
};

/* `seed`: any. It keeps the tree flat against a stranger who knows the ranks. */
void room_init(struct room *room, uint64_t seed);
uint32_t room_count(const struct room *room);
/* The order of a source by its rank (plan_source.rank), lowered by the sessions it has already, in
 * flight or waiting: four units of rank for each doubling, as core/source_score.c does with its
 * rate. */
uint32_t room_order(uint16_t rank, uint32_t sessions);
/* How many come before a newcomer of that order. */
uint32_t room_ahead(const struct room *room, uint32_t order);
/* The expected wait behind `ahead` connections, in us; ROOM_NEVER: no place comes free. */
uint64_t room_expected_us(uint32_t ahead, uint32_t pass_milli);
/* Puts `node` in when the answer is ROOM_WAIT or ROOM_INSTEAD. `ret_out` is written with
 * ROOM_INSTEAD only. */
enum room_answer room_enter(struct room *room, const struct room_offer *offer,
			    struct room_node *node, struct room_node **ret_out);
/* It got its place, or has gone. */
void room_leave(struct room *room, struct room_node *node);
/* Who gets the next place; NULL: none waits. */
struct room_node *room_first(const struct room *room);
struct room_node *room_next(const struct room_node *node);
/* One that has waited up to its deadline; NULL: there is none. */
struct room_node *room_expired(const struct room *room, uint64_t now_us);
/* When the one that has waited longest came; 0: none waits. */
uint64_t room_oldest_us(const struct room *room);
/* The deadline that comes first; ROOM_NEVER: none waits. */
uint64_t room_deadline_us(const struct room *room);

/* ---- Who is owed a place: a bounded set of sources. The oldest debts are forgotten first. */

#define ROOM_DEBTS 4096u
#define ROOM_DEBT_WAYS 4u
#define ROOM_DEBT_LASTS_US (24 * UINT64_C(3600000000))
#define ROOM_DEBT_RESTS_US UINT64_C(10000000)

struct room_debts {
	uint64_t seed;
	struct room_debt {
		uint64_t group; /* plan_group() of the source */
		uint64_t since_us; /* 0: nothing is owed */
		uint64_t settled_us; /* when it got its place, the last time; 0: never */
	} debt[ROOM_DEBTS];
};

void room_debts_init(struct room_debts *debts, uint64_t seed);
/* The source waited in vain, or was refused late. `now_us` > 0. */
void room_owe(struct room_debts *debts, uint64_t group, uint64_t now_us);
/* The source was told at once, without a wait. It is owed nothing if it got a place that it was
 * owed in the last ten seconds: one that connects all the time would come first all the time. */
void room_owe_told(struct room_debts *debts, uint64_t group, uint64_t now_us);
bool room_owes(const struct room_debts *debts, uint64_t group, uint64_t now_us);
/* When that was, the last time; 0: nothing is owed. */
uint64_t room_owed_since_us(const struct room_debts *debts, uint64_t group, uint64_t now_us);
/* It got its place. */
void room_settle(struct room_debts *debts, uint64_t group, uint64_t now_us);

#endif
