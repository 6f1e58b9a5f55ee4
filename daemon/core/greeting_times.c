#include "core/greeting_times.h"

/* A greeting that took no more than so many times the lower quartile of those before it waited like
 * others. */
#define ALIKE 3u
/* Of those before it, the one so far from the quickest is the lower quartile. With so many of the
 * others slow, too, a slow one still counts. */
#define QUARTILE (GREETING_TIMES_BESIDE / 4)
/* From so many greetings on, each is halved in weight. */
#define KEPT 1024u
/* One greeting in so many may take longer than what is usual. A client in twenty is usual. */
#define RARE 50u
/* Longer is not usual anywhere: greet delays and DNS lists take less (UNGREETED_S of law.h). */
#define MOST_US 30000000u

static uint64_t lower_quartile(const struct greeting_times *t)
{
	uint64_t sorted[GREETING_TIMES_BESIDE] = { 0 };

	for (int i = 0; i < GREETING_TIMES_BESIDE; i++) {
		int at = i;

		for (; at > 0 && sorted[at - 1] > t->beside[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = t->beside[i];
	}
	return sorted[QUARTILE];
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
	if (t->known == GREETING_TIMES_BESIDE) {
		uint64_t others_us = lower_quartile(t);
		uint64_t longer_us = us > ALIKE * others_us ? us - others_us : 0;

		if (t->count >= KEPT)
			forget(t);
		t->slot[counts_slot(longer_us)]++;
		t->count++;
	} else {
		t->known++;
	}
	t->beside[t->at] = us;
	t->at = (uint8_t)((t->at + 1) % GREETING_TIMES_BESIDE);
}

uint64_t greeting_times_longer_us(const struct greeting_times *t)
{
	uint32_t longer = 0;

	for (unsigned i = COUNTS_SLOTS; i-- > 0;) {
		longer += t->slot[i];
		if (longer > t->count / RARE)
			return counts_slot_upper(i) < MOST_US ? counts_slot_upper(i) : MOST_US;
	}
	return 0;
}
