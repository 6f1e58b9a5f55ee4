/* What the tests of the fleet share: its key, and a memory of what hosts said. */
#ifndef TEST_FLEET_MEMORY_H
#define TEST_FLEET_MEMORY_H

#include "cmocka_test.h"

#include <stdlib.h>
#include <string.h>

#include "core/fleet.h"
#include "core/siphash.h"

#define NOW 1800001000u /* s, as source_world.h has it */

static const struct siphash_key key = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

static inline void make_memory(struct fleet_memory *m, uint32_t sets, uint32_t queue)
{
	memset(m, 0, sizeof(*m));
	m->sets = sets;
	m->slots = calloc((size_t)sets * FLEET_SET_SLOTS, sizeof(*m->slots));
	m->queue_size = queue;
	m->queue = calloc(queue, sizeof(*m->queue));
	assert_true(m->slots && m->queue);
}

static inline void free_memory(struct fleet_memory *m)
{
	free(m->slots);
	free(m->queue);
}

#endif
