/* A thread that does what must not be done in the tick, because it walks directories or may hang:
 * jobs that look at something every so often. What a job finds it keeps under a lock of its own,
 * and the tick does not wait for it. Jobs that may hang (a dead network file system) have a lookout
 * of their own. */
#ifndef PENSTOCK_SENSOR_LOOKOUT_H
#define PENSTOCK_SENSOR_LOOKOUT_H

#include <stdbool.h>
#include <stdint.h>

#define LOOKOUT_JOBS 4

struct lookout;
/* Looks once; in how many us it wants to look again. `calm`: nothing presses, it may look seldom;
 * as soon as something does, it is asked at once. */
typedef uint64_t lookout_look(void *context, bool calm);

/* 0 or -ENOMEM. The thread begins with the first job. */
int lookout_open(struct lookout **ret_lookout);
/* 0, or -errno when no thread can be created (-ENOSPC: too many jobs). */
int lookout_add(struct lookout *lookout, lookout_look *look, void *context);
/* Waits until it does not look any more. */
void lookout_remove(struct lookout *lookout, void *context);
/* From the tick. Never blocks. */
void lookout_set_calm(struct lookout *lookout, bool calm);
/* Set when the thread is to end: a long look gives up. */
const volatile bool *lookout_stop(const struct lookout *lookout);
/* Ends the thread; a job may be removed still. Then all of it. */
void lookout_end(struct lookout *lookout);
void lookout_close(struct lookout *lookout);

#endif
