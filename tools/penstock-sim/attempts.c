#include "penstock-sim/attempts.h"

#include <math.h>
#include <stdlib.h>

#include "core/splitmix.h"
#include "penstock-sim/grow.h"

#define JITTER 0.05 /* the same as in traffic.c */
#define NEVER 4e9f

struct waiter {
	uint32_t first, next_waiter; /* second of its arrival; index + 1 in the list of a second */
	float again; /* its age at its next attempt */
	uint8_t retry, tries;
};

struct attempts {
	struct waiter *waiter;
	uint32_t *due; /* by second: index + 1 */
	uint32_t *now; /* messages that try in this second */
	uint32_t *age;
	uint32_t room, count, ages, age_room, seconds;
	uint64_t random;
};

/* Orders senders: first those that would not come back at all, then the one that would come back
 * the latest. */
static int by_return(const void *a, const void *b, void *who)
{
	const struct waiter *w = who, *x = &w[*(const uint32_t *)a], *y = &w[*(const uint32_t *)b];
	double at_x = x->first + (double)x->again, at_y = y->first + (double)y->again;

	return at_x < at_y ? 1 : at_x > at_y ? -1 : 0;
}

static void look_ahead(struct attempts *t, struct waiter *w, uint32_t second)
{
	double age = second - w->first,
	       next = retry_next_s((enum retry)w->retry, w->tries + 1u, age);

	w->again = next < 0
			   ? NEVER
			   : (float)(age + (next - age) * (1 - JITTER +
							   2 * JITTER * splitmix_unit(&t->random)));
}

static uint32_t gather(struct attempts *t, const struct attempts_class *classes, unsigned classes_n,
		       uint32_t second)
{
	uint32_t n = 0;

	for (uint32_t i = t->due[second]; i; i = t->waiter[i - 1].next_waiter)
		t->now[n++] = i - 1;
	for (unsigned c = 0; c < classes_n; c++)
		for (uint32_t k = 0; k < classes[c].arrived[second]; k++) {
			t->waiter[t->count] = (struct waiter){ .first = second,
							       .retry = (uint8_t)classes[c].retry };
			t->now[n++] = t->count++;
		}
	for (uint32_t i = 0; i < n; i++)
		look_ahead(t, &t->waiter[t->now[i]], second);
	return n;
}

static void put_off(struct attempts *t, uint32_t id, uint32_t second)
{
	struct waiter *w = &t->waiter[id];
	double at = w->first + (double)w->again;
	uint32_t due = at <= second ? second + 1 : (uint32_t)fmin(at, UINT32_MAX);

	if (due >= t->seconds)
		return;
	w->tries = w->tries < UINT8_MAX ? w->tries + 1 : w->tries;
	w->next_waiter = t->due[due];
	t->due[due] = id + 1;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double attempts_age(const struct attempts_class *classes, unsigned classes_n,
		    const double *capacity, uint32_t seconds, double q)
{
	struct attempts t = { .seconds = seconds, .random = 1 };
	double credit = 0, ret = -1;
	uint32_t all = 0;

	for (unsigned c = 0; c < classes_n; c++)
		for (uint32_t s = 0; s < seconds; s++)
			all += classes[c].arrived[s];
	t.waiter = grow_zeroed(all, sizeof(*t.waiter));
	t.now = grow_zeroed(all, sizeof(*t.now));
	t.due = grow_zeroed(seconds, sizeof(*t.due));
	for (uint32_t s = 0; s < seconds; s++) {
		uint32_t n = gather(&t, classes, classes_n, s);

		credit = fmin(credit, 1) + capacity[s];
		if (n > credit)
			qsort_r(t.now, n, sizeof(*t.now), by_return, t.waiter);
		for (uint32_t i = 0; i < n; i++) {
			const struct waiter *w = &t.waiter[t.now[i]];

			if (credit < 1) {
				put_off(&t, t.now[i], s);
				continue;
			}
			credit -= 1;
			if (w->tries == 0)
				continue;
			t.age = grow(t.age, &t.age_room, t.ages + 1, sizeof(*t.age));
			t.age[t.ages++] = s - w->first;
		}
	}
	if (t.ages) {
		qsort(t.age, t.ages, sizeof(*t.age), by_size);
		ret = t.age[(uint32_t)fmin(q * t.ages, t.ages - 1)];
	}
	free(t.waiter);
	free(t.now);
	free(t.due);
	free(t.age);
	return ret;
}
