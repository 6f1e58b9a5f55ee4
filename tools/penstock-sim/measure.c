#include "penstock-sim/measure.h"

#include <stdlib.h>
#include <string.h>

#include "penstock-sim/grow.h"

void measure_init(struct measure *m, uint32_t seconds)
{
	memset(m, 0, sizeof(*m));
	m->seconds = seconds + 1;
	m->tick = grow_zeroed(MEASURE_TICKS, sizeof(*m->tick));
	m->second = grow_zeroed(m->seconds, sizeof(*m->second));
	m->futures = 10 * m->seconds;
	m->future = grow_zeroed(m->futures, sizeof(*m->future));
	m->refused = grow_zeroed(m->futures, sizeof(*m->refused));
	m->capacity = grow_zeroed(m->seconds, sizeof(*m->capacity));
	for (int i = 0; i < RETRY__COUNT; i++)
		m->arrived[i] = grow_zeroed(m->seconds, sizeof(uint32_t));
}

void measure_done(struct measure *m)
{
	free(m->tick);
	free(m->second);
	free(m->capacity);
	free(m->future);
	free(m->refused);
	for (int i = 0; i < RETRY__COUNT; i++)
		free(m->arrived[i]);
	free(m->age_s);
}

void measure_age(struct measure *m, double age_s)
{
	m->age_s = grow(m->age_s, &m->age_room, m->ages + 1, sizeof(*m->age_s));
	m->age_s[m->ages++] = (uint32_t)(age_s + 0.5);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double measure_age_quantile(struct measure *m, double q)
{
	uint32_t at = (uint32_t)(q * m->ages);

	if (!m->ages)
		return -1;
	if (m->sorted != m->ages)
		qsort(m->age_s, m->ages, sizeof(*m->age_s), by_size);
	m->sorted = m->ages;
	return m->age_s[at < m->ages ? at : m->ages - 1];
}
