/* The waiting room: connections for which there is no place, in the order in which they get one.
 *
 * Order: by time of arrival, moved ahead by rank. A connection of a source that sends twice as much
 * as another is treated as if it had come later, by an eighth of the longest wait. So a share is an
 * order here and not a refusal, see room_order(). No connection is overtaken for long: of the later
 * ones only those of a higher order overtake it, and only if they come within the time that the
 * difference of the orders is worth. A source that is owed a place (it waited in vain before, or
 * was refused late) comes before all others.
 *
 * Example: objective.wait is 5 s, so that a doubling is worth .625 s. A source with three sessions
 * has two doublings less than one with none. It is overtaken by connections of sources with none
 * that come in the next 1.25 s.
 *
 * A connection is refused only if its expected wait is too long: the number of connections before
 * it, divided by the places that come free in a second. When the room is full it is refused, too,
 * unless it comes before the last one there: then that one is refused instead.
 *
 * Example: 40 places a second come free, plan.hold_us is 2 s, and 60 wait. A newcomer of the usual
 * rank has an expected wait of 60 / 40 = 1.5 s and may wait. With 90 waiting it would be 2.25 s,
 * and the newcomer is refused at once. One that comes before 70 of the 90 may wait: 20 / 40 = .5 s.
 *
 * While the queue stands the hold is short, so a newcomer of a higher order comes before nearly all
 * that wait. It would take the place of a connection that was let in earlier, which would then be
 * refused after a wait. To avoid that, a newcomer may wait only if it gets its place even when it
 * leaves places to the connections of a higher order that will come in its time. Their number
 * follows from the rate at which each order comes, and varies by chance. A source that is refused
 * only because of that is owed the next place.
 *
 * Example: 100 places a second, a hold of .2 s: 25 come free in that time and a quarter of it.
 * 60 a second of a higher order come: they take 15, with a standard deviation of 3.9. With 4 before
 * it, 6 places are left, more than 1.5 x 3.9 = 5.8: it may wait. With 5 before it, it is refused.
 *
 * When the queue begins to stand, some connections have waited already, and may wait for longer.
 * Those whose turn now comes too late are refused, beginning with the last one.
 *
 * A node belongs to the caller and is in at most one room. There is no clock and no allocation. The
 * nodes are a treap (Seidel and Aragon: Randomized search trees, 1996) in which each knows the size
 * and the earliest deadline of its subtree: every operation is O(log n). */
#ifndef PENSTOCK_CORE_ROOM_H
#define PENSTOCK_CORE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#define ROOM_OWED UINT32_MAX /* order of a source that is owed the next place */
#define ROOM_NEVER UINT64_MAX

#define ROOM_DOUBLINGS 32 /* of a number of sessions, at most */

struct room_node {
	struct room_node *parent, *left, *right; /* left comes first */
	uint64_t since_us, deadline_us;
	uint64_t earliest_us, oldest_us; /* the earliest deadline and since_us of its subtree */
	uint64_t key_us; /* the time at which it counts as arrived; a lower one comes first */
	uint32_t size; /* of its subtree */
	uint32_t priority;
};

/* How often connections of each order ask for a place: counts that fade. */
#define ROOM_ORDER_BINS 256u
#define ROOM_ORDER_SHIFT 4 /* so many bits of an order are one bin here: half a doubling */
#define ROOM_TICK_US 100000u
#define ROOM_ONE 256u /* connection */
struct room_arrivals {
	uint64_t faded_us;
	uint32_t bin[ROOM_ORDER_BINS]; /* connections x ROOM_ONE, mostly of the last .8 s */
};

struct room {
	struct room_node *root;
	uint64_t random;
	struct room_arrivals arrivals;
};

/* The present terms of the room. */
struct room_terms {
	/* plan.hold_us: a connection may wait if its expected wait is no longer than this; 0: none
	 * may. A connection that is owed a place may wait all the same. */
	uint32_t hold_us;
	uint32_t longest_us; /* objective.wait. If hold_us is shorter, the queue stands */
	uint32_t pass_milli; /* places that come free, a second x 1000 */
	uint32_t most; /* most connections that may wait */
};

/* A connection that asks to wait. */
struct room_offer {
	uint64_t now_us;
	uint32_t order; /* room_order(), or ROOM_OWED */
	struct room_terms terms;
};

enum room_answer {
	ROOM_WAIT, /* it waits */
	ROOM_TOO_LONG, /* its expected wait is too long */
	/* the queue stands, and others will take the places of its time: it is owed the next one */
	ROOM_OVERTAKEN,
	ROOM_FULL, /* the room is full, and it would come last */
	ROOM_INSTEAD, /* it waits, and *ret_out had to leave for it */
};

/* `seed`: any. It keeps the tree balanced even if a stranger knows the ranks. */
void room_init(struct room *room, uint64_t seed);
uint32_t room_count(const struct room *room);
/* The order of a source: its rank (plan_source.rank), lowered by the sessions that it has in flight
 * or waiting: four units of rank for each doubling, as core/source_score.c does for its rate. */
uint32_t room_order(uint16_t rank, uint32_t sessions);
/* How many connections come before this newcomer. */
uint32_t room_ahead(const struct room *room, const struct room_offer *offer);
/* The expected wait behind `ahead` connections, in us; ROOM_NEVER: no place comes free. */
uint64_t room_expected_us(uint32_t ahead, uint32_t pass_milli);
/* Asks for a place in the room. If the answer is ROOM_WAIT or ROOM_INSTEAD, `node` is in it.
 * `ret_out` is written with ROOM_INSTEAD only. */
enum room_answer room_enter(struct room *room, const struct room_offer *offer,
			    struct room_node *node, struct room_node **ret_out);
/* Removes a connection: it got its place, or the client left. */
void room_leave(struct room *room, struct room_node *node);
/* The connection that gets the next place; NULL: none waits. */
struct room_node *room_first(const struct room *room);
/* A connection that has waited up to its deadline or, while the queue stands, will reach it before
 * its turn; NULL: there is none. */
struct room_node *room_in_vain(const struct room *room, const struct room_terms *terms,
			       uint64_t now_us);
/* The deadline of a connection that waits is later by `us`. */
void room_postpone(struct room_node *node, uint64_t us);
/* When the connection that has waited longest came; 0: none waits. */
uint64_t room_oldest_us(const struct room *room);

#endif
