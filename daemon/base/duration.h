/* A duration as people read it: the one form of log lines, status, explain, the page and
 * penstockctl. */
#ifndef PENSTOCK_BASE_DURATION_H
#define PENSTOCK_BASE_DURATION_H

#include <stdint.h>

#define DURATION_PRINTED 32
/* Seconds into `buf` (DURATION_PRINTED): "1.5 s", "90 s", "4 min", "3.5 h", "2.0 days". Returns
 * it. */
const char *duration_print(double s, char *buf);
/* The same of microseconds. */
const char *duration_print_us(uint64_t us, char *buf);

#endif
