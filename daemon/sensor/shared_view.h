/* What a worker's job has found, for the tick. The job owns the value; a lock protects it, and the
 * tick does not wait for that lock. */
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

/* Adds the job. 0, or -errno and a clause in `why` (SENSOR_WHY_MAX): "the thread that DOES does
 * not start: ...". */
int shared_view_open(struct shared_view *view, struct worker *worker, worker_job *look,
		     void *context, const char *does, char *why);
/* Ends the job. False: see worker_remove(); then the caller must never free the context. */
bool shared_view_close(struct shared_view *view, void *context);
/* For the job: copies `fresh` to `value`, both of `size` bytes. */
void shared_view_put(struct shared_view *view, void *value, const void *fresh, size_t size);
/* For the tick: copies `value` to `ret`. False: it is being written. */
bool shared_view_get(struct shared_view *view, const void *value, void *ret, size_t size);

#endif
