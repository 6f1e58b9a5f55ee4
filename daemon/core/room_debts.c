#include "core/room_debts.h"

#include <string.h>

#include "core/law.h"
#include "core/splitmix.h"

#define LASTS_US ((uint64_t)(DEBT_LASTS_S * US_IN_S))
#define RESTS_US ((uint64_t)(DEBT_RESTS_S * US_IN_S))

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

static bool is_used(const struct room_debt *debt)
{
	return debt->since_us || debt->settled_us;
}

/* When the entry last mattered; 0: it has no effect any more. */
static uint64_t last_us(const struct room_debt *debt, uint64_t now_us)
{
	if (debt->since_us)
		return now_us - debt->since_us < LASTS_US ? debt->since_us : 0;
	return now_us - debt->settled_us < RESTS_US ? debt->settled_us : 0;
}

static struct room_debt *find(const struct room_debts *debts, uint64_t group)
{
	const struct room_debt *set = &debts->debt[home(debts, group)];

	for (unsigned i = 0; i < ROOM_DEBT_WAYS; i++)
		if (is_used(&set[i]) && set[i].group == group)
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
		if (last_us(&set[i], now_us) < last_us(at, now_us))
			at = &set[i];
	*at = (struct room_debt){ .group = group, .since_us = now_us };
}

void room_owe_told(struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	const struct room_debt *debt = find(debts, group);

	if (!debt || !debt->settled_us || now_us - debt->settled_us >= RESTS_US)
		room_owe(debts, group, now_us);
}

bool room_owes(const struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	return room_owed_since_us(debts, group, now_us) > 0;
}

uint64_t room_owed_since_us(const struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	const struct room_debt *debt = find(debts, group);

	return debt && debt->since_us && now_us - debt->since_us < LASTS_US ? debt->since_us : 0;
}

void room_settle(struct room_debts *debts, uint64_t group, uint64_t now_us)
{
	struct room_debt *debt = find(debts, group);

	if (!debt || !debt->since_us)
		return;
	debt->since_us = 0;
	debt->settled_us = now_us;
}
