/* The counts of proxies that have ended, as they stand in RUN_DIR/retired. Without that file every
 * counter would fall by them when penstockd is restarted. Prometheus takes a counter that falls for
 * one that began again at zero, and would count what the living proxies have counted in their whole
 * life once more: as an alert, for a fault of last week. */
#ifndef PENSTOCK_FRONT_RETIRED_H
#define PENSTOCK_FRONT_RETIRED_H

#include <stdint.h>

#include "core/counts.h"

/* Fills `ret` from the file. It is zero if there is none, if it is of another version, or if its
 * time is later than `now_us` (CLOCK_MONOTONIC): then it was written before a reboot. */
void retired_load(const char *run_dir, uint64_t now_us, struct counts *ret);
/* Writes the file as a whole, with `now_us` as its time. A failure is logged. */
void retired_save(const char *run_dir, uint64_t now_us, struct counts *counts);

#endif
