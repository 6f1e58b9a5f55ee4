#ifndef PENSTOCK_BASE_ARRAY_H
#define PENSTOCK_BASE_ARRAY_H

/* The number of elements of an array. Not for pointers. core/ uses nothing of base/, and has its
 * own. */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
