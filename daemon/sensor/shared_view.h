/* What a job of a worker has found, for the tick: the value is the job's own, with a lock around it
 * that the tick does not wait for. */
#ifndef PENSTOCK_SENSOR_SHARED_VIEW_H
#define PENSTOCK_SENSOR_SHARED_VIEW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "sensor/worker.h"

struct shared_view {
	struct worker *worker;
	pthread_mutex_t lock;
};

/* Adds the job. 0, or -errno and a sentence in `why` (SENSOR_WHY_MAX): "Cannot create the thread
 * that DOES: ...". */
int shared_view_open(struct shared_view *view, struct worker *worker, worker_job *look,
		     void *context, const char *does, char *why);
/* The job does not run any more. False: see worker_remove(); the caller must never free the context
 * then. */
bool shared_view_close(struct shared_view *view, void *context);
/* The job: `value`, of `size` bytes, is `fresh` now. */
void shared_view_put(struct shared_view *view, void *value, const void *fresh, size_t size);
/* The tick. False: the value is being written. */
bool shared_view_get(struct shared_view *view, const void *value, void *ret, size_t size);

#endif
