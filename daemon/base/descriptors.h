/* How many descriptors this process may have open. Each connection takes at least one. What starts
 * a service usually sets 1,024, as a higher number breaks programs that use select(). Nothing here
 * uses it, so a program raises the limit to what its own bounds ask for. */
#ifndef PENSTOCK_BASE_DESCRIPTORS_H
#define PENSTOCK_BASE_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

#define DESCRIPTORS_ALL UINT64_MAX /* as many as the hard limit allows */

/* How many there may be now. */
uint32_t descriptors_max(void);
/* Raises the limit to `wanted`, and never lowers it. The hard limit holds, unless `past_hard` and
 * the process has CAP_SYS_RESOURCE. Returns how many there may be now: fewer if that is not
 * allowed. */
uint32_t descriptors_raise(uint64_t wanted, bool past_hard);

#endif
