#ifndef PENSTOCK_BASE_ARRAY_H
#define PENSTOCK_BASE_ARRAY_H

/* How many elements an array has; of no pointer. core/ uses nothing of base/, and counts itself. */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
