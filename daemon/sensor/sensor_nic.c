/* The links (nic_reader.h). Reading them may wait for the kernel's lock of the network
 * configuration, so a thread reads, and the tick takes what it found. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sensor/nic_reader.h"
#include "sensor/sensors.h"
#include "sensor/worker.h"

#define NIC_EVERY_US 200000u
#define NIC_IDLE_US 500000u
#define NIC_OLD_US (2 * US_PER_S) /* figures older than this are not used: the reading hangs */
#define LEAVE_US (US_PER_S / 2) /* time in which the thread has to end */

struct nic {
	const struct sensor_poll *poll;
	struct worker *worker;
	struct nic_reader *reader; /* used only by the thread */
	uint64_t asking_us; /* since when the thread waits for the kernel, 0: it does not */
	bool late_said;
	struct nic_figures taken;
	pthread_mutex_t lock;
	struct nic_figures found; /* under the lock */
};

static uint64_t nic_look(void *context, bool idle)
{
	struct nic *s = context;
	struct nic_figures figures;
	bool looked;

	__atomic_store_n(&s->asking_us, clock_monotonic_us(), __ATOMIC_RELAXED);
	looked = nic_reader_look(s->reader, &figures);
	__atomic_store_n(&s->asking_us, 0, __ATOMIC_RELAXED);
	if (looked) {
		pthread_mutex_lock(&s->lock);
		s->found = figures;
		pthread_mutex_unlock(&s->lock);
	} else {
		/* The sensor may be closed already, so this thread closes the reader. */
		nic_reader_close(s->reader);
		s->reader = NULL;
	}
	return idle ? NIC_IDLE_US : NIC_EVERY_US;
}

static void free_nic(struct nic *s)
{
	worker_close(s->worker);
	nic_reader_close(s->reader);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void nic_close(void *state)
{
	struct nic *s = state;

	if (worker_end(s->worker, LEAVE_US))
		free_nic(s);
	else
		log_warning(
			"Cannot end the thread that reads the links: it did not return within 0.5 s, as when another program holds the kernel's lock of the network configuration or no CPU is free. It ends when it returns; mail is not affected.");
}

static int nic_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct nic *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->poll = env->poll;
	r = worker_open(&s->worker);
	if (r == 0)
		r = nic_reader_open(env->config, env->sys_fd, worker_stop(s->worker), &s->reader,
				    why);
	if (r == 0)
		r = worker_add(s->worker, nic_look, s);
	if (r < 0) {
		if (!why[0])
			snprintf(why, SENSOR_WHY_MAX,
				 "the thread that reads the links does not start: %s",
				 strerror(-r));
		free_nic(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

/* Says that the reading is late. That is not a failure: after one the sensor would be opened again,
 * with one more thread that waits. */
static void say_late(struct nic *s, uint64_t now_us, char *why)
{
	uint64_t asking_us = __atomic_load_n(&s->asking_us, __ATOMIC_RELAXED);

	if (!asking_us || now_us < asking_us + NIC_OLD_US) {
		snprintf(why, SENSOR_WHY_MAX,
			 "the thread that reads the links did not run in time");
		return;
	}
	snprintf(
		why, SENSOR_WHY_MAX,
		"the kernel does not answer: another program holds its lock of the network configuration");
	if (!s->late_said)
		log_warning(
			"Cannot read the links: %s. The network's figures are absent until they can be read; mail is not affected.",
			why);
	s->late_said = true;
}

static int nic_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		    char *why)
{
	struct nic *s = state;
	const struct nic_figures *f = &s->taken;

	worker_set_idle(s->worker, s->poll->urgency == URGENCY_IDLE);
	if (pthread_mutex_trylock(&s->lock) == 0) {
		s->taken = s->found;
		pthread_mutex_unlock(&s->lock);
	}
	if (!f->read_us)
		return 0;
	if (now_us > f->read_us + NIC_OLD_US) {
		say_late(s, now_us, why);
		return 0;
	}
	s->late_said = false;
	snprintf(why, SENSOR_WHY_MAX, "%s", f->why);
	if (f->error)
		return f->error;
	if (f->any)
		sample_put(sample, SIGNAL_NIC_DOWN_COUNT, f->down, VIA_NETLINK);
	if (!f->rates_known)
		return 0;
	sample_put(sample, SIGNAL_NIC_RX_BYTES_PER_S, f->rx, VIA_NETLINK);
	sample_put(sample, SIGNAL_NIC_TX_BYTES_PER_S, f->tx, VIA_NETLINK);
	sample_put(sample, SIGNAL_NIC_DROPS_PER_S, f->drops, VIA_NETLINK);
	sample_put(sample, SIGNAL_NIC_BACKLOG_BYTES, f->backlog, VIA_NETLINK);
	if (f->use_known) {
		sample_put(sample, SIGNAL_NIC_USE_RATIO, f->use, VIA_NETLINK);
		sample_put(sample, SIGNAL_NIC_BACKLOG_RATIO, f->backlog_s, VIA_NETLINK);
		sample_put(sample, SIGNAL_NIC_SPEED_BITS_PER_S, f->speed, VIA_NETLINK);
	}
	return 0;
}

static const enum signal nic_signals[] = {
	SIGNAL_NIC_RX_BYTES_PER_S,   SIGNAL_NIC_TX_BYTES_PER_S, SIGNAL_NIC_DROPS_PER_S,
	SIGNAL_NIC_BACKLOG_BYTES,    SIGNAL_NIC_USE_RATIO,	SIGNAL_NIC_BACKLOG_RATIO,
	SIGNAL_NIC_SPEED_BITS_PER_S, SIGNAL_NIC_DOWN_COUNT,	SIGNAL__COUNT
};
const struct sensor_ops sensor_nic = { .name = "nic",
				       .provides = nic_signals,
				       .open = nic_open,
				       .poll = nic_poll,
				       .close = nic_close,
				       .budget_us_per_s = 100 };
