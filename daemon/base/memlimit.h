/* How much memory this process may use before the kernel kills it or another process: the smallest
 * of MemoryMax= of its unit, the limit of its container, and what the machine has left. */
#ifndef PENSTOCK_BASE_MEMLIMIT_H
#define PENSTOCK_BASE_MEMLIMIT_H

#include <stdint.h>

/* Bytes: the smallest of the limits of its control group and those above, and of MemAvailable if
 * the kernel itself reports it (base/fuse.h); UINT64_MAX: none can be read. */
uint64_t memlimit_of_self(void);

#endif
