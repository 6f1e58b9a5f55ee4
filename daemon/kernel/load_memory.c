#include "kernel/load_memory.h"

#include <malloc.h>

#define KEPT (32 << 20) /* the most that the allocator does not map by itself */
#define USUAL (128 << 10) /* mallopt(3) */

static void set_thresholds(int bytes)
{
	mallopt(M_MMAP_THRESHOLD, bytes);
	mallopt(M_TRIM_THRESHOLD, bytes > USUAL ? 4 * bytes : bytes);
}

void load_memory_keep(void)
{
	set_thresholds(KEPT);
}

void load_memory_give_back(void)
{
	set_thresholds(USUAL);
	malloc_trim(0);
}
