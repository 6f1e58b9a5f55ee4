/* Which sources are owed a place in the waiting room (core/room.h): a bounded set. An entry without
 * effect is dropped first (a debt that was settled DEBT_RESTS_S ago), then the oldest one. */
#ifndef PENSTOCK_CORE_ROOM_DEBTS_H
#define PENSTOCK_CORE_ROOM_DEBTS_H

#include <stdbool.h>
#include <stdint.h>

#define ROOM_DEBTS 4096u
#define ROOM_DEBT_WAYS 4u

struct room_debts {
	uint64_t seed;
	struct room_debt {
		uint64_t group; /* plan_group() of the source's address */
		uint64_t since_us; /* since when a place is owed; 0: none is */
		uint64_t settled_us; /* when it last got a place that it was owed; 0: never */
	} debt[ROOM_DEBTS];
};

void room_debts_init(struct room_debts *debts, uint64_t seed);
/* The source waited in vain, or was refused late: it is owed a place. `now_us` > 0. */
void room_owe(struct room_debts *debts, uint64_t group, uint64_t now_us);
/* The source was refused at once, without a wait. It is owed a place unless it got one that it was
 * owed in the last ten seconds: otherwise a source that connects all the time would always come
 * first. */
void room_owe_told(struct room_debts *debts, uint64_t group, uint64_t now_us);
bool room_owes(const struct room_debts *debts, uint64_t group, uint64_t now_us);
/* Since when the source is owed a place; 0: it is not. */
uint64_t room_owed_since_us(const struct room_debts *debts, uint64_t group, uint64_t now_us);
/* The source got its place. */
void room_settle(struct room_debts *debts, uint64_t group, uint64_t now_us);

#endif
