#include "sensor/lookout.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/wait.h"

#define REST_US (60 * US_PER_S) /* without jobs */

struct job {
	lookout_look *look; /* NULL: free */
	void *context;
	uint64_t due_us;
};

struct lookout {
	pthread_t thread;
	bool begun; /* the tick's own */
	pthread_mutex_t lock;
	pthread_cond_t wake, looked; /* the thread; who waits for a job to end */
	volatile bool stop; /* written under the lock, looked at by a job without */
	/* under the lock */
	bool calm;
	struct job jobs[LOOKOUT_JOBS];
	const struct job *at_work;
};

static struct job *next(struct lookout *l)
{
	struct job *first = NULL;

	for (unsigned i = 0; i < LOOKOUT_JOBS; i++)
		if (l->jobs[i].look && (!first || l->jobs[i].due_us < first->due_us))
			first = &l->jobs[i];
	return first;
}

/* The lock is held, but not while it looks. */
static void work(struct lookout *l, struct job *job)
{
	struct job now = *job;
	bool calm = l->calm;
	uint64_t again_us;

	l->at_work = job;
	pthread_mutex_unlock(&l->lock);
	again_us = now.look(now.context, calm);
	pthread_mutex_lock(&l->lock);
	l->at_work = NULL;
	/* What began to press meanwhile has not been seen by it. */
	job->due_us = clock_monotonic_us() + (calm && !l->calm ? 0 : again_us);
	pthread_cond_broadcast(&l->looked);
}

static void *run(void *context)
{
	struct lookout *l = context;

	setpriority(PRIO_PROCESS, 0, 5); /* of this thread; it may fail, which does no harm */
	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		struct job *job = next(l);
		uint64_t now_us = clock_monotonic_us();

		if (!job)
			wait_us(&l->wake, &l->lock, REST_US);
		else if (job->due_us > now_us)
			wait_us(&l->wake, &l->lock, job->due_us - now_us);
		else
			work(l, job);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int lookout_open(struct lookout **ret_lookout)
{
	struct lookout *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	wait_init(&l->wake);
	wait_init(&l->looked);
	*ret_lookout = l;
	return 0;
}

int lookout_add(struct lookout *l, lookout_look *look, void *context)
{
	int r = -ENOSPC;

	if (!l)
		return -ENOMEM;
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < LOOKOUT_JOBS && r < 0; i++) {
		if (l->jobs[i].look)
			continue;
		l->jobs[i] = (struct job){ .look = look, .context = context };
		r = 0;
	}
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	if (r == 0 && !l->begun) {
		r = -pthread_create(&l->thread, NULL, run, l);
		l->begun = r == 0;
		if (r < 0)
			lookout_remove(l, context);
	}
	return r;
}

void lookout_remove(struct lookout *l, void *context)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < LOOKOUT_JOBS; i++) {
		struct job *job = &l->jobs[i];

		if (!job->look || job->context != context)
			continue;
		while (l->at_work == job)
			pthread_cond_wait(&l->looked, &l->lock);
		*job = (struct job){ 0 };
	}
	pthread_mutex_unlock(&l->lock);
}

void lookout_set_calm(struct lookout *l, bool calm)
{
	if (!l || pthread_mutex_trylock(&l->lock) != 0)
		return; /* the next tick will */
	if (l->calm && !calm) {
		for (unsigned i = 0; i < LOOKOUT_JOBS; i++)
			l->jobs[i].due_us = 0;
		pthread_cond_signal(&l->wake);
	}
	l->calm = calm;
	pthread_mutex_unlock(&l->lock);
}

const volatile bool *lookout_stop(const struct lookout *l)
{
	return &l->stop;
}

void lookout_end(struct lookout *l)
{
	if (!l || !l->begun)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	l->begun = false;
}

void lookout_close(struct lookout *l)
{
	if (!l)
		return;
	lookout_end(l);
	pthread_cond_destroy(&l->wake);
	pthread_cond_destroy(&l->looked);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
