#include "sensor/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/wait.h"

#define REST_US (60 * US_PER_S) /* the thread's pause without jobs */

struct job {
	worker_job *look; /* NULL: free */
	void *context;
	uint64_t due_us;
	bool left; /* removed while it ran */
};

struct worker {
	pthread_t thread;
	bool begun, left; /* used only by the tick: there is a thread; it was left behind */
	bool ended; /* under the lock: the thread has finished with this job */
	pthread_mutex_t lock;
	/* wakes the thread; wakes callers that wait for the end of a job or of the thread */
	pthread_cond_t wake, looked;
	volatile bool stop; /* written under the lock; a job reads it without */
	/* under the lock */
	bool idle;
	struct job jobs[WORKER_JOBS];
	const struct job *at_work;
};

static struct job *next(struct worker *l)
{
	struct job *first = NULL;

	for (unsigned i = 0; i < WORKER_JOBS; i++)
		if (l->jobs[i].look && (!first || l->jobs[i].due_us < first->due_us))
			first = &l->jobs[i];
	return first;
}

/* Runs a job. The caller holds the lock, which is released while the job runs. */
static void work(struct worker *l, struct job *job)
{
	struct job now = *job;
	bool idle = l->idle;
	uint64_t again_us;

	l->at_work = job;
	pthread_mutex_unlock(&l->lock);
	again_us = now.look(now.context, idle);
	pthread_mutex_lock(&l->lock);
	l->at_work = NULL;
	/* If pressure began during this run, the job is due at once. */
	job->due_us = clock_monotonic_us() + (idle && !l->idle ? 0 : again_us);
	if (job->left)
		*job = (struct job){ 0 };
	pthread_cond_broadcast(&l->looked);
}

static void *run(void *context)
{
	struct worker *l = context;

	setpriority(PRIO_PROCESS, 0, 5); /* priority of this thread; a failure does no harm */
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
	l->ended = true;
	pthread_cond_broadcast(&l->looked);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int worker_open(struct worker **ret_worker)
{
	struct worker *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	wait_init(&l->wake);
	wait_init(&l->looked);
	*ret_worker = l;
	return 0;
}

int worker_add(struct worker *l, worker_job *look, void *context)
{
	int r = -ENOSPC;

	if (!l)
		return -ENOMEM;
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < WORKER_JOBS && r < 0; i++) {
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
			worker_remove(l, context);
	}
	return r;
}

/* Waits for the end of a job. The caller holds the lock. False: it still runs. */
static bool await_job(struct worker *l, const struct job *job, uint64_t most_us)
{
	uint64_t until_us = clock_monotonic_us() + most_us, now_us;

	while (l->at_work == job && (now_us = clock_monotonic_us()) < until_us)
		wait_us(&l->looked, &l->lock, until_us - now_us);
	return l->at_work != job;
}

bool worker_remove(struct worker *l, void *context)
{
	bool removed = true;

	if (!l)
		return true;
	if (l->left)
		return false;
	pthread_mutex_lock(&l->lock);
	for (unsigned i = 0; i < WORKER_JOBS; i++) {
		struct job *job = &l->jobs[i];

		if (!job->look || job->context != context || job->left)
			continue;
		job->left = !await_job(l, job, WORKER_REMOVE_US);
		if (job->left)
			removed = false;
		else
			*job = (struct job){ 0 };
	}
	pthread_mutex_unlock(&l->lock);
	return removed;
}

void worker_set_idle(struct worker *l, bool idle)
{
	if (!l || pthread_mutex_trylock(&l->lock) != 0)
		return; /* the next tick does it */
	if (l->idle && !idle) {
		for (unsigned i = 0; i < WORKER_JOBS; i++)
			l->jobs[i].due_us = 0;
		pthread_cond_signal(&l->wake);
	}
	l->idle = idle;
	pthread_mutex_unlock(&l->lock);
}

const volatile bool *worker_stop(const struct worker *l)
{
	return &l->stop;
}

static void order_end(struct worker *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

bool worker_end(struct worker *l, uint64_t most_us)
{
	uint64_t until_us = clock_monotonic_us() + most_us, now_us;
	bool ended;

	if (!l || !l->begun)
		return true;
	order_end(l);
	pthread_mutex_lock(&l->lock);
	while (!l->ended && (now_us = clock_monotonic_us()) < until_us)
		wait_us(&l->looked, &l->lock, until_us - now_us);
	ended = l->ended;
	pthread_mutex_unlock(&l->lock);
	if (ended)
		pthread_join(l->thread, NULL);
	else
		pthread_detach(l->thread);
	l->begun = false;
	l->left = !ended;
	return ended;
}

void worker_close(struct worker *l)
{
	if (!l)
		return;
	pthread_cond_destroy(&l->wake);
	pthread_cond_destroy(&l->looked);
	pthread_mutex_destroy(&l->lock);
	free(l);
}
