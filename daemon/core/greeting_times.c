#include "core/greeting_times.h"

#include "core/law.h"

/* Of those on one side, the second quickest stands for the others: with most of them slow, too, a
 * slow one still counts. */
#define QUICK 1

/* The second quickest of the GREETING_TIMES_BESIDE greetings from the `first` oldest one on. */
static uint64_t quick_one(const struct greeting_times *t, unsigned first)
{
	uint64_t sorted[GREETING_TIMES_BESIDE] = { 0 };

	for (unsigned i = 0; i < GREETING_TIMES_BESIDE; i++) {
		uint64_t us = t->recent[(t->at + first + i) % GREETING_TIMES_RECENT];
		unsigned at = i;

		for (; at > 0 && sorted[at - 1] > us; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = us;
	}
	return sorted[QUICK];
}

/* How much longer the one in the middle took than those before it, and than those after it. */
static uint64_t longer_than_others(const struct greeting_times *t)
{
	uint64_t us = t->recent[(t->at + GREETING_TIMES_BESIDE) % GREETING_TIMES_RECENT];
	uint64_t before_us = quick_one(t, 0);
	uint64_t after_us = quick_one(t, GREETING_TIMES_BESIDE + 1);
	uint64_t others_us = before_us > after_us ? before_us : after_us;

	return (double)us > GREETING_ALIKE * (double)others_us ? us - others_us : 0;
}

static void forget(struct greeting_times *t)
{
	t->count = 0;
	for (int i = 0; i < COUNTS_SLOTS; i++) {
		t->slot[i] /= 2;
		t->count += t->slot[i];
	}
}

void greeting_times_add(struct greeting_times *t, uint64_t us)
{
	t->recent[t->at] = us;
	t->at = (uint8_t)((t->at + 1) % GREETING_TIMES_RECENT);
	t->known += t->known < GREETING_TIMES_RECENT;
	if (t->known < GREETING_TIMES_RECENT)
		return;
	if (t->count >= GREETINGS_KEPT)
		forget(t);
	t->slot[counts_slot(longer_than_others(t))]++;
	t->count++;
}

bool greeting_times_tell(const struct greeting_times *t)
{
	return t->count >= GREETING_RARE;
}

uint64_t greeting_times_longer_us(const struct greeting_times *t)
{
	/* Longer is not usual anywhere: greet delays and DNS lists take less. */
	const uint64_t most_us = (uint64_t)(UNGREETED_S * US_IN_S);
	uint32_t longer = 0;

	for (unsigned i = COUNTS_SLOTS; i-- > 0;) {
		longer += t->slot[i];
		if (longer * GREETING_RARE > t->count)
			return counts_slot_upper(i) < most_us ? counts_slot_upper(i) : most_us;
	}
	return 0;
}
