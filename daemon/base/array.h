#ifndef PENSTOCK_BASE_ARRAY_H
#define PENSTOCK_BASE_ARRAY_H

/* How many elements an array has. Not for pointers. core/ uses nothing of base/, so it counts by
 * itself. */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
