#include "kernel/duty_cycle.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/wait.h"

#define AGAIN_US (10 * US_PER_S) /* after an attempt to attach that failed */

struct duty_cycle {
	struct bpf_program *program;
	struct bpf_link **link; /* only the thread changes it */
	const struct duty_cycle_ops *ops;
	void *context;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under the lock */
	bool stop, idle;
	uint64_t since_us; /* attached since then; 0: it is not attached */
	struct duty_cycle_view view;
};

/* Call both without the lock: they may wait for the kernel. */
static void take_away(struct duty_cycle *d, uint64_t times)
{
	bpf_link__destroy(*d->link);
	*d->link = NULL;
	d->ops->weigh(d->context, times);
}

static int put_in_place(struct duty_cycle *d)
{
	char pause[DURATION_PRINTED];
	int r = 0;

	if (*d->link)
		return 0;
	*d->link = bpf_program__attach(d->program);
	if (!*d->link)
		r = errno ? -errno : -EINVAL;
	if (r < 0 && !d->view.error)
		log_warning(
			"Cannot attach the run-queue probe: %s. Task switches are not seen. Trying again every %s.",
			strerror(-r), duration_print_us(AGAIN_US, pause));
	return r;
}

/* Measures how long it was attached, and the rate of events in that time. */
static void stay(struct duty_cycle *d, uint64_t on_us)
{
	uint64_t events = d->ops->events(d->context), began_us = clock_monotonic_us(), spent_us;

	if (!d->since_us)
		d->since_us = began_us;
	wait_us(&d->wake, &d->lock, on_us);
	spent_us = clock_monotonic_us() - began_us;
	if (spent_us >= DUTY_MIN_US / 2)
		d->view.per_s = (d->ops->events(d->context) - events) * US_PER_S / spent_us;
}

static void *run(void *context)
{
	struct duty_cycle *d = context;
	struct duty_cycle_plan plan;
	int r;

	pthread_mutex_lock(&d->lock);
	while (!d->stop) {
		pthread_mutex_unlock(&d->lock);
		r = put_in_place(d);
		pthread_mutex_lock(&d->lock);
		d->view.error = r;
		if (r < 0) {
			if (!d->stop)
				wait_us(&d->wake, &d->lock, AGAIN_US);
			continue;
		}
		if (!d->stop)
			stay(d, duty_cycle_plan(d->view.per_s, d->idle).on_us);
		plan = duty_cycle_plan(d->view.per_s, d->idle);
		d->view.share = (double)plan.on_us / (double)(plan.on_us + plan.off_us);
		if (d->stop || !plan.off_us)
			continue;
		d->view.on_us += clock_monotonic_us() - d->since_us;
		d->since_us = 0;
		pthread_mutex_unlock(&d->lock);
		take_away(d, (plan.on_us + plan.off_us + plan.on_us / 2) / plan.on_us);
		pthread_mutex_lock(&d->lock);
		if (!d->stop)
			wait_us(&d->wake, &d->lock, plan.off_us);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

int duty_cycle_open(struct bpf_program *program, struct bpf_link **link, uint64_t per_s,
		    const struct duty_cycle_ops *ops, void *context, struct duty_cycle **ret_duty)
{
	struct duty_cycle *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->program = program;
	d->link = link;
	d->ops = ops;
	d->context = context;
	d->view.per_s = per_s;
	d->view.share = 1;
	d->since_us = clock_monotonic_us();
	pthread_mutex_init(&d->lock, NULL);
	wait_init(&d->wake);
	r = -pthread_create(&d->thread, NULL, run, d);
	if (r < 0) {
		pthread_cond_destroy(&d->wake);
		pthread_mutex_destroy(&d->lock);
		free(d);
		return r;
	}
	*ret_duty = d;
	return 0;
}

void duty_cycle_close(struct duty_cycle *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->wake);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	pthread_cond_destroy(&d->wake);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

bool duty_cycle_look(struct duty_cycle *d, bool idle, uint64_t now_us,
		     struct duty_cycle_view *ret_view)
{
	if (pthread_mutex_trylock(&d->lock) != 0)
		return false;
	/* Ends the pause of a long period. */
	if (d->idle && !idle)
		pthread_cond_signal(&d->wake);
	d->idle = idle;
	*ret_view = d->view;
	if (d->since_us && now_us > d->since_us)
		ret_view->on_us += now_us - d->since_us;
	pthread_mutex_unlock(&d->lock);
	return true;
}
