#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/budget.h"
#include "sensor/disks.h"
#include "sensor/filters.h"
#include "sensor/mta.h"
#include "sensor/neighbours.h"
#include "sensor/proc_file.h"
#include "sensor/sensors.h"
#include "sensor/spool_watch.h"
#include "sensor/surge.h"
#include "sensor/worker.h"
#include "sensor/frozen.h"

/* The order of preference: a signal that is present is not overwritten. */
static const struct sensor_ops *const drivers[] = {
	&sensor_bpf_smtp,  &sensor_bpf_runq,	&sensor_cgroup,	    &sensor_psi,     &sensor_cpu,
	&sensor_memory,	   &sensor_bpf_reclaim, &sensor_bpf_oom,    &sensor_vmstat,  &sensor_disk,
	&sensor_bpf_fsync, &sensor_bpf_jbd2,	&sensor_spool,	    &sensor_queue,   &sensor_nic,
	&sensor_listen,	   &sensor_netstat,	&sensor_neighbours, &sensor_filters,
};

#define LEAVE_US (US_PER_S / 2) /* longest wait for the queue's thread at the end */
#define WALK_LEAVE_US (2 * US_PER_S) /* the same for the thread that walks processes and groups */
#define DRIVERS ARRAY_SIZE(drivers)
#define FAILURES_MAX 5 /* failures in a row that lead to quarantine */
#define BACKOFF_MIN_US 1000000u
#define BACKOFF_MAX_US 60000000u

#define FIRST_POLLS 10
#define FIRST_MEASURED 64 /* polls of a sensor that are all measured */
#define MEASURED_OF 4
/* longest time between polls of a sensor that steers, under pressure */
#define STEERS_MAX_US 200000u
/* after pressure on the CPUs, they count as under pressure for so long */
#define CPU_PRESSED_US 5000000u
#define HELD_MAX 32 /* most signals of one sensor */

_Static_assert(SIGNAL__COUNT < 256, "a signal is kept in a byte");

struct slot {
	const struct sensor_ops *ops;
	void *state;
	struct sensor_status status;
	unsigned failures; /* in a row */
	uint64_t backoff_us, retry_us;
	struct budget budget;
	/* The values of its last poll: they are put again while it is not polled. */
	unsigned held;
	struct {
		uint8_t signal, via;
		double value;
	} hold[HELD_MAX];
};

struct registry {
	struct sensor_env env;
	struct disk_table disks;
	struct neighbours neighbours;
	struct filters filters;
	struct sensor_poll poll; /* of this poll */
	uint64_t cpu_pressed_us; /* when the CPUs last were under pressure */
	struct surge surge;
	bool surges; /* the load has just jumped */
	struct slot slots[DRIVERS];
	struct frozen frozen_values;
};

int registry_open(const struct sensor_env *env, struct registry **ret_registry)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	char why[SENSOR_WHY_MAX] = "";
	int r;

	if (!registry)
		return -ENOMEM;
	registry->env = *env;
	registry->env.disks = &registry->disks;
	registry->env.neighbours = &registry->neighbours;
	registry->env.filters = &registry->filters;
	registry->env.poll = &registry->poll;
	/* Without memory for one of them, the sensors that need it report that. */
	worker_open(&registry->env.worker);
	worker_open(&registry->env.spool_worker);
	proc_reader_open(env->proc_fd, &registry->env.proc_reader);
	r = mta_watch_open(&registry->env, &registry->env.mta, why);
	if (r < 0)
		log_warning(
			"Cannot watch the mail server: %s. Its own CPU, memory and I/O are not measured. Restart penstockd with more memory.",
			why[0] ? why : strerror(-r));
	why[0] = 0;
	r = spool_watch_open(&registry->env, &registry->env.spool, why);
	if (r < 0)
		log_warning(
			"Cannot watch the mail server's queue: %s. Its length and its disk are not measured. Restart penstockd with more memory.",
			why[0] ? why : strerror(-r));
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
	bool ended, spool_ended;

	if (!registry)
		return;
	/* A long walk stops early. A thread that hangs in the kernel or in a dead file system is
	 * left behind with what it uses: nothing waits here. */
	ended = worker_end(registry->env.worker, WALK_LEAVE_US);
	spool_ended = worker_end(registry->env.spool_worker, LEAVE_US);
	for (size_t i = 0; i < DRIVERS; i++)
		if (registry->slots[i].state)
			registry->slots[i].ops->close(registry->slots[i].state);
	if (!ended)
		log_warning(
			"Cannot end the thread that looks at processes and control groups: it did not return within 2 s, as when the kernel does not answer or no CPU is free. It ends when it returns; mail is not affected.");
	if (!spool_ended)
		log_warning(
			"Cannot end the thread that looks at the queue directories: it did not return within 0.5 s, as when the file system does not answer or no CPU is free. It ends when it returns; mail is not affected.");
	if (spool_ended) {
		spool_watch_close(registry->env.spool);
		worker_close(registry->env.spool_worker);
	}
	if (ended && spool_ended) /* both threads use the MTA's data */
		mta_watch_close(registry->env.mta);
	if (ended)
		worker_close(registry->env.worker);
	proc_reader_close(registry->env.proc_reader);
	free(registry);
}

static void quarantine(struct slot *slot, uint64_t now_us)
{
	if (slot->status.state != SENSOR_QUARANTINED)
		log_warning(
			"Cannot read sensor %s: it failed %u times in a row: %s. It is left out for a while, and the next best source is used.",
			slot->ops->name, slot->failures, slot->status.why);
	slot->status.state = SENSOR_QUARANTINED;
	slot->backoff_us = slot->backoff_us ? slot->backoff_us * 2 : BACKOFF_MIN_US;
	if (slot->backoff_us > BACKOFF_MAX_US)
		slot->backoff_us = BACKOFF_MAX_US;
	slot->retry_us = now_us + slot->backoff_us;
}

/* Opens a quarantined sensor again when it is due. */
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

/* Keeps the values that this sensor added to the sample. */
static void keep(struct slot *slot, const struct sample *sample, const uint8_t *via_before)
{
	slot->held = 0;
	for (const enum signal *s = slot->ops->provides; *s != SIGNAL__COUNT; s++) {
		if (via_before[*s] != VIA_NONE || sample->via[*s] == VIA_NONE ||
		    slot->held == HELD_MAX)
			continue;
		slot->hold[slot->held].signal = (uint8_t)*s;
		slot->hold[slot->held].via = sample->via[*s];
		slot->hold[slot->held++].value = sample->value[*s];
	}
}

/* Puts the last values between two polls: without them the sensor would seem to be lost. */
static void put_held(const struct slot *slot, struct sample *sample)
{
	for (unsigned i = 0; i < slot->held; i++)
		sample_put(sample, (enum signal)slot->hold[i].signal, slot->hold[i].value,
			   (enum via)slot->hold[i].via);
}

static bool is_due(const struct registry *registry, struct slot *slot, uint64_t now_us,
		   enum urgency urgency)
{
	uint64_t tick_us = registry->env.config->tick_us,
		 interval_min_us = slot->ops->interval_min_ms * 1000u;
	uint64_t interval_us = slot->budget.interval_us;

	interval_us = interval_us > interval_min_us ? interval_us : interval_min_us;
	if (urgency == URGENCY_IDLE)
		interval_us = 2 * (interval_us > tick_us ? interval_us : tick_us);
	else if (slot->ops->steers && interval_us > STEERS_MAX_US)
		interval_us = STEERS_MAX_US;
	slot->status.interval_us = slot->ops->every_tick ? 0 : interval_us;
	if (urgency == URGENCY_URGENT || (urgency == URGENCY_SURGE && slot->ops->steers))
		return true;
	/* A sensor that fails is polled every tick, so that it is soon quarantined or works again.
	 * A sensor that was just opened is, too: rates need two readings, and the first are
	 * expensive because no cache is warm. */
	return slot->ops->every_tick || slot->status.polls < FIRST_POLLS ||
	       slot->status.state != SENSOR_OK ||
	       budget_due(&slot->budget, interval_us, now_us, tick_us);
}

static void count_cost(struct slot *slot, bool measured, uint64_t cost_ns, uint64_t now_us)
{
	double us_per_s = slot->ops->budget_us_per_s ? slot->ops->budget_us_per_s : BUDGET_US_PER_S;

	if (measured)
		budget_spent(&slot->budget, (double)cost_ns / 1e3,
			     slot->status.polls > FIRST_MEASURED ? MEASURED_OF : 1, us_per_s);
	slot->budget.polled_us = now_us;
	slot->status.cost_ns += measured ? cost_ns : (uint64_t)(slot->budget.cost_us * 1e3);
	slot->status.cost_us = slot->budget.cost_us;
}

/* Reading the thread's clock is a system call and costs as much as a cheap sensor. So one poll in
 * four is measured, and stands for all four. */
static bool is_measured(const struct slot *slot)
{
	return slot->status.polls < FIRST_MEASURED || slot->status.polls % MEASURED_OF == 0;
}

static void poll_slot(struct registry *registry, struct slot *slot, uint64_t now_us,
		      enum urgency urgency, struct sample *sample, struct load *load,
		      uint64_t *clock_ns)
{
	uint8_t via_before[SIGNAL__COUNT];
	bool measured;
	uint64_t began;
	int r;

	if (slot->status.state == SENSOR_SKIPPED)
		return;
	if (slot->status.state == SENSOR_QUARANTINED && !reopen(registry, slot, now_us))
		return;
	if (!is_due(registry, slot, now_us, urgency)) {
		put_held(slot, sample);
		return;
	}
	measured = is_measured(slot);
	began = !measured ? 0 : *clock_ns ? *clock_ns : clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
	memcpy(via_before, sample->via, sizeof(via_before));
	slot->status.why[0] = 0;
	r = slot->ops->poll(slot->state, now_us, sample, load, slot->status.why);
	slot->status.polls++;
	keep(slot, sample, via_before);
	slot->status.signals = slot->held;
	/* The end of one reading is the beginning of the next. */
	*clock_ns = measured ? clock_read_ns(CLOCK_THREAD_CPUTIME_ID) : 0;
	count_cost(slot, measured, measured ? *clock_ns - began : 0, now_us);
	if (r < 0) {
		slot->status.errors++;
		if (!slot->status.why[0])
			snprintf(slot->status.why, sizeof(slot->status.why), "%s", strerror(-r));
		if (++slot->failures >= FAILURES_MAX || slot->status.state == SENSOR_QUARANTINED)
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

static bool cpus_press(const struct config *config, const struct sample *sample)
{
	static const enum signal waits[] = { SIGNAL_CPU_STALL_RATIO, SIGNAL_MTA_CPU_STALL_RATIO,
					     SIGNAL_RUNQ_P99_US, SIGNAL_MTA_RUNQ_P99_US };

	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		if (config->target[waits[i]] > 0 &&
		    sample_get(sample, waits[i], 0) >= config->target[waits[i]] / 2)
			return true;
	return false;
}

void registry_poll(struct registry *registry, uint64_t now_us, enum urgency urgency,
		   struct sample *sample, struct load *load)
{
	uint64_t clock_ns = 0;
	enum signal frozen;

	if (urgency < URGENCY_SURGE && registry->surges)
		urgency = URGENCY_SURGE;
	registry->poll.urgency = urgency;
	worker_set_idle(registry->env.worker, urgency == URGENCY_IDLE);
	worker_set_idle(registry->env.spool_worker, urgency == URGENCY_IDLE);
	proc_reader_set_idle(registry->env.proc_reader, urgency == URGENCY_IDLE);
	registry->poll.cpu_pressed =
		registry->cpu_pressed_us && now_us - registry->cpu_pressed_us < CPU_PRESSED_US;
	for (size_t i = 0; i < DRIVERS; i++)
		poll_slot(registry, &registry->slots[i], now_us, urgency, sample, load, &clock_ns);
	if (cpus_press(registry->env.config, sample))
		registry->cpu_pressed_us = now_us;
	registry->surges =
		surge_step(&registry->surge, load, registry->env.config->services, now_us);
	if (frozen_step(&registry->frozen_values, sample, &frozen))
		log_warning(
			"Cannot use %s: its value has not changed for a minute. It is left out until it changes. Two seconds from now no mail is refused for it.",
			signal_info[frozen].name);
}

const struct disk_table *registry_disks(const struct registry *registry)
{
	return &registry->disks;
}

const struct filters *registry_filters(const struct registry *registry)
{
	return &registry->filters;
}

const struct neighbours *registry_neighbours(const struct registry *registry)
{
	return &registry->neighbours;
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
