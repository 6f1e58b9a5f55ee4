/* How often a counter moved in the last minute: for rare events that stay important for a while. */
#ifndef PENSTOCK_SENSOR_MINUTE_COUNT_H
#define PENSTOCK_SENSOR_MINUTE_COUNT_H

#include <stdbool.h>
#include <stdint.h>

struct minute_count {
	bool primed;
	uint64_t last; /* the counter */
	uint64_t second;
	uint32_t bucket[60];
};

/* Takes the present value of the counter; returns how many events it has seen in the last 60 s. A
 * counter that went backwards was reset. */
static inline uint64_t minute_count_step(struct minute_count *m, uint64_t counter, uint64_t now_us)
{
	uint64_t second = now_us / 1000000, sum = 0;

	for (uint64_t i = 0; m->primed && i < second - m->second && i < 60; i++)
		m->bucket[(m->second + 1 + i) % 60] = 0;
	if (m->primed && counter > m->last)
		m->bucket[second % 60] += (uint32_t)(counter - m->last);
	m->primed = true;
	m->second = second;
	m->last = counter;
	for (int i = 0; i < 60; i++)
		sum += m->bucket[i];
	return sum;
}

#endif
