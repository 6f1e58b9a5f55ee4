/* Unpredictable numbers, for the keys of hashes. */
#ifndef PENSTOCK_BASE_RANDOM_H
#define PENSTOCK_BASE_RANDOM_H

#include <stdint.h>

/* Fills `ret`. Never waits: if the kernel has no random bytes yet (early at boot), the numbers are
 * made from the clock and the process id. */
void random_fill(uint64_t *ret, unsigned count);

#endif
