/* Memory of a simulation: it grows when needed, and the program ends if there is none. */
#ifndef PENSTOCK_SIM_GROW_H
#define PENSTOCK_SIM_GROW_H

#include <stdint.h>
#include <stdlib.h>

static inline void *grow_zeroed(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		abort();
	return memory;
}

/* Makes room for at least `count` elements; new ones are not initialised. */
static inline void *grow(void *memory, uint32_t *room, uint32_t count, size_t size)
{
	if (count <= *room)
		return memory;
	*room = count < 64 ? 64 : count + count / 2;
	memory = realloc(memory, *room * size);
	if (!memory)
		abort();
	return memory;
}

#endif
