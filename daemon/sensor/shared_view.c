#include "sensor/shared_view.h"

#include <stdio.h>
#include <string.h>

#include "sensor/sensor.h"

int shared_view_open(struct shared_view *view, struct worker *worker, worker_job *look,
		     void *context, const char *does, char *why)
{
	int r;

	view->worker = worker;
	pthread_mutex_init(&view->lock, NULL);
	r = worker_add(worker, look, context);
	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "the thread that %s does not start: %s", does,
			 strerror(-r));
		pthread_mutex_destroy(&view->lock);
	}
	return r;
}

bool shared_view_close(struct shared_view *view, void *context)
{
	if (!worker_remove(view->worker, context))
		return false;
	pthread_mutex_destroy(&view->lock);
	return true;
}

void shared_view_put(struct shared_view *view, void *value, const void *fresh, size_t size)
{
	pthread_mutex_lock(&view->lock);
	memcpy(value, fresh, size);
	pthread_mutex_unlock(&view->lock);
}

bool shared_view_get(struct shared_view *view, const void *value, void *ret, size_t size)
{
	if (pthread_mutex_trylock(&view->lock) != 0)
		return false;
	memcpy(ret, value, size);
	pthread_mutex_unlock(&view->lock);
	return true;
}
