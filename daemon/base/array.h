#ifndef PENSTOCK_BASE_ARRAY_H
#define PENSTOCK_BASE_ARRAY_H

/* How many elements an array has; of no pointer. */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
