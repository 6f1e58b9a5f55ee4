/* For how long senders try, by the time between their attempts. Learned from sources that came back
 * properly and then gave up. */
#include <string.h>

#include "core/source_parts.h"

#define GONE_KEPT ((float)PATIENCE_KEEPS)
#define GONE_MAX (1 / (1 - GONE_KEPT)) /* so at most that many of one age */
#define AGE_CLASS_S 120u
#define GAP_CLASS_S 64u

unsigned source_age_class(uint64_t age_s)
{
	uint64_t x = age_s / AGE_CLASS_S;
	int32_t c = log2_8(x > UINT32_MAX ? UINT32_MAX : (uint32_t)x) / 4;

	return x == 0 ? 0 : c >= SOURCE_AGES - 1 ? SOURCE_AGES - 1 : (unsigned)c + 1;
}

uint64_t source_age_upper(unsigned age_class)
{
	/* 2^(c/2), from whole and half powers of two */
	uint64_t upper = (uint64_t)AGE_CLASS_S << (age_class / 2);

	return age_class >= SOURCE_AGES - 1 ? UINT64_MAX
	       : age_class % 2		    ? upper + upper / 2
					    : upper;
}

unsigned source_gap_class(const struct source_entry *e)
{
	int32_t c = log2_8((uint32_t)e->gap * GAP_UNIT_S / GAP_CLASS_S) / 8;

	return c >= SOURCE_GAPS ? SOURCE_GAPS - 1 : (unsigned)c;
}

static uint32_t patience_of(const struct source_patience *p)
{
	float total = 0, sum = 0;

	for (unsigned i = 0; i < SOURCE_AGES; i++)
		total += p->gone[i];
	if (total < (float)PATIENCE_SAMPLES)
		return 0;
	for (unsigned i = 0; i < SOURCE_AGES; i++) {
		sum += p->gone[i];
		if (sum >= (float)PATIENCE_GONE * total)
			return i ? (uint32_t)source_age_upper(i - 1) : AGE_CLASS_S;
	}
	return 0;
}

void patience_learn(struct source_table *t, const struct source_entry *e)
{
	unsigned gap = source_gap_class(e);
	struct source_patience *p = &t->patience[gap];

	if (e->tries < 2 || !e->gap || e->last < e->first)
		return;
	for (unsigned i = 0; i < SOURCE_AGES; i++)
		p->gone[i] *= GONE_KEPT;
	p->gone[source_age_class(e->last - e->first)] += 1;
	t->patience_s[gap] = patience_of(p);
}

void source_save(const struct source_table *t, struct source_learned *ret)
{
	for (unsigned gap = 0; gap < SOURCE_GAPS; gap++)
		memcpy(ret->gone[gap], t->patience[gap].gone, sizeof(ret->gone[gap]));
}

void source_restore(struct source_table *t, const struct source_learned *learned)
{
	for (unsigned gap = 0; gap < SOURCE_GAPS; gap++) {
		struct source_patience *p = &t->patience[gap];

		for (unsigned i = 0; i < SOURCE_AGES; i++) {
			float gone = learned->gone[gap][i];

			p->gone[i] = gone >= 0 && gone <= GONE_MAX ? gone : 0;
		}
		t->patience_s[gap] = patience_of(p);
	}
}
