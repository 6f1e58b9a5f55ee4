/* A thread for work that must not be done in the tick, because it walks directories or may hang.
 * Its jobs read something from time to time. A job keeps its findings under its own lock, and the
 * tick does not wait for them. Jobs that may hang (a dead network file system, a lock of the
 * kernel) have a worker of their own. */
#ifndef PENSTOCK_SENSOR_WORKER_H
#define PENSTOCK_SENSOR_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#define WORKER_JOBS 4
#define WORKER_REMOVE_US 500000

struct worker;
/* Runs once, and returns in how many us it wants to run again. `idle`: there is no pressure, so it
 * may run rarely; when pressure begins, it is run at once. */
typedef uint64_t worker_job(void *context, bool idle);

/* 0 or -ENOMEM. The thread starts with the first job. */
int worker_open(struct worker **ret_worker);
/* 0, or -errno when no thread can be created (-ENOSPC: too many jobs). */
int worker_add(struct worker *worker, worker_job *look, void *context);
/* Ends the job. False: it has been running for longer than WORKER_REMOVE_US, or the thread was left
 * behind. Then the thread still uses the context, so the caller must never free it. */
bool worker_remove(struct worker *worker, void *context);
/* From the tick. Never blocks. */
void worker_set_idle(struct worker *worker, bool idle);
/* Set when the thread has to end: a long job stops early. */
const volatile bool *worker_stop(const struct worker *worker);
/* Ends the thread. Jobs may still be removed after that. False: a job has hung for longer than
 * `most_us`. Then the thread is left behind, and ends when the job returns. Until then it uses the
 * worker and that job's context, so the caller must never free them. */
bool worker_end(struct worker *worker, uint64_t most_us);
/* For a worker whose thread has ended (worker_end()) or has never begun. NULL is fine. */
void worker_close(struct worker *worker);

#endif
