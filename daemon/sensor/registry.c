#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "sensor/disks.h"
#include "sensor/mta.h"
#include "sensor/sensors.h"
#include "sensor/spool_watch.h"

/* The order of preference: a signal that is there is not put again. */
static const struct sensor_ops *const drivers[] = {
	&sensor_bpf_smtp, &sensor_bpf_runq, &sensor_cgroup,	 &sensor_psi,
	&sensor_cpu,	  &sensor_memory,   &sensor_bpf_reclaim, &sensor_bpf_oom,
	&sensor_vmstat,	  &sensor_disk,	    &sensor_bpf_fsync,	 &sensor_bpf_jbd2,
	&sensor_spool,	  &sensor_queue,    &sensor_nic,	 &sensor_listen,
};

#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))
#define FAILURES_MOST 5 /* in a row: then quarantine */
#define BACKOFF_LEAST_US 1000000u
#define BACKOFF_MOST_US 60000000u

struct slot {
	const struct sensor_ops *ops;
	void *state;
	struct sensor_status status;
	unsigned failures; /* in a row */
	uint64_t backoff_us, retry_us;
};

struct registry {
	struct sensor_env env;
	struct disk_table disks;
	struct slot slots[DRIVERS];
};

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int registry_open(const struct sensor_env *env, struct registry **ret_registry)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	char why[SENSOR_WHY_MAX] = "";

	if (!registry)
		return -ENOMEM;
	registry->env = *env;
	registry->env.disks = &registry->disks;
	if (mta_watch_open(&registry->env, &registry->env.mta, why) < 0)
		log_warning("%s", why);
	if (spool_watch_open(&registry->env, &registry->env.spool, why) < 0)
		log_warning("%s", why);
	for (size_t i = 0; i < DRIVERS; i++) {
		struct slot *slot = &registry->slots[i];

		slot->ops = drivers[i];
		slot->status.name = slot->ops->name;
		slot->status.provides = slot->ops->provides;
		if (slot->ops->open(&registry->env, &slot->state, slot->status.why) < 0) {
			slot->status.state = SENSOR_SKIPPED;
			slot->state = NULL;
			slot->backoff_us = slot->retry_us = 0;
		}
	}
	*ret_registry = registry;
	return 0;
}

void registry_close(struct registry *registry)
{
	if (!registry)
		return;
	for (size_t i = 0; i < DRIVERS; i++)
		if (registry->slots[i].state)
			registry->slots[i].ops->close(registry->slots[i].state);
	spool_watch_close(registry->env.spool); /* it reads the MTA's */
	mta_watch_close(registry->env.mta);
	free(registry);
}

static void quarantine(struct slot *slot, uint64_t now_us)
{
	if (slot->status.state != SENSOR_QUARANTINED)
		log_warning("sensor %s failed %u times in a row and is left out for a while: %s",
			    slot->ops->name, slot->failures, slot->status.why);
	slot->status.state = SENSOR_QUARANTINED;
	slot->backoff_us = slot->backoff_us ? slot->backoff_us * 2 : BACKOFF_LEAST_US;
	if (slot->backoff_us > BACKOFF_MOST_US)
		slot->backoff_us = BACKOFF_MOST_US;
	slot->retry_us = now_us + slot->backoff_us;
}

/* Opens a quarantined sensor anew when its time has come. */
static bool reopen(struct registry *registry, struct slot *slot, uint64_t now_us)
{
	if (now_us < slot->retry_us)
		return false;
	if (slot->state)
		slot->ops->close(slot->state);
	slot->state = NULL;
	if (slot->ops->open(&registry->env, &slot->state, slot->status.why) < 0) {
		slot->state = NULL;
		quarantine(slot, now_us);
		return false;
	}
	return true;
}

static unsigned count_present(const struct sample *sample)
{
	unsigned n = 0;

	for (int i = 0; i < SIGNAL__COUNT; i++)
		n += sample->via[i] != VIA_NONE;
	return n;
}

static void poll_slot(struct registry *registry, struct slot *slot, uint64_t now_us,
		      struct sample *sample, struct load *load)
{
	uint64_t began = thread_ns();
	unsigned before = count_present(sample);
	int r;

	if (slot->status.state == SENSOR_SKIPPED)
		return;
	if (slot->status.state == SENSOR_QUARANTINED && !reopen(registry, slot, now_us))
		return;
	slot->status.why[0] = 0;
	r = slot->ops->poll(slot->state, now_us, sample, load, slot->status.why);
	slot->status.polls++;
	slot->status.signals = count_present(sample) - before;
	slot->status.cost_ns += thread_ns() - began;
	if (r < 0) {
		slot->status.errors++;
		if (!slot->status.why[0])
			snprintf(slot->status.why, sizeof(slot->status.why), "%s", strerror(-r));
		if (++slot->failures >= FAILURES_MOST || slot->status.state == SENSOR_QUARANTINED)
			quarantine(slot, now_us);
		else
			slot->status.state = SENSOR_FAILING;
		return;
	}
	if (slot->status.state == SENSOR_QUARANTINED)
		log_notice("sensor %s works again", slot->ops->name);
	slot->status.state = SENSOR_OK;
	slot->failures = 0;
	slot->backoff_us = 0;
}

void registry_poll(struct registry *registry, uint64_t now_us, struct sample *sample,
		   struct load *load)
{
	for (size_t i = 0; i < DRIVERS; i++)
		poll_slot(registry, &registry->slots[i], now_us, sample, load);
}

const struct disk_table *registry_disks(const struct registry *registry)
{
	return &registry->disks;
}

unsigned registry_count(const struct registry *registry)
{
	return DRIVERS;
}

const struct sensor_status *registry_status(const struct registry *registry, unsigned index)
{
	return &registry->slots[index].status;
}

const char *sensor_state_name(enum sensor_state state)
{
	static const char *const names[] = { "ok", "skipped", "failing", "quarantined" };

	return names[state];
}
