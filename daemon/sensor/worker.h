/* A thread that does what must not be done in the tick, because it walks directories or may hang:
 * jobs that look at something every so often. What a job finds it keeps under a lock of its own,
 * and the tick does not wait for it. Jobs that may hang (a dead network file system, a lock of the
 * kernel) have a worker of their own. */
#ifndef PENSTOCK_SENSOR_WORKER_H
#define PENSTOCK_SENSOR_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#define WORKER_JOBS 4

struct worker;
/* Looks once; in how many us it wants to look again. `idle`: nothing presses, it may look seldom;
 * as soon as something does, it is asked at once. */
typedef uint64_t worker_job(void *context, bool idle);

/* 0 or -ENOMEM. The thread begins with the first job. */
int worker_open(struct worker **ret_worker);
/* 0, or -errno when no thread can be created (-ENOSPC: too many jobs). */
int worker_add(struct worker *worker, worker_job *look, void *context);
/* Waits until it does not look any more. */
void worker_remove(struct worker *worker, void *context);
/* From the tick. Never blocks. */
void worker_set_idle(struct worker *worker, bool idle);
/* Set when the thread is to end: a long look gives up. */
const volatile bool *worker_stop(const struct worker *worker);
/* Ends the thread; a job may be removed still. False: its job hangs for longer than `most_us`. The
 * thread is left to itself then and ends when the job comes back; until then it uses the worker and
 * that job's context, so the caller leaves both for good. */
bool worker_end(struct worker *worker, uint64_t most_us);
/* Waits for a job that is at work, however long it takes. */
void worker_close(struct worker *worker);

#endif
