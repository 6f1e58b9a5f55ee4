#include "publish/support.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/gate.h"
#include "kernel/kernel.h"
#include "publish/words.h"
#include "sensor/sensing.h"

#define POLLS 6
#define INTERVAL_MS 200

static bool provides(const struct sensor_status *sensor, enum signal signal)
{
	for (const enum signal *s = sensor->provides; *s != SIGNAL__COUNT; s++)
		if (*s == signal)
			return true;
	return false;
}

/* Says why a signal is absent: the reasons of its sensors, or that they work and there is nothing
 * to measure. */
static void print_absent(struct text *out, enum signal signal, const struct registry *registry)
{
	const struct sensor_status *refused = NULL, *works = NULL;

	for (unsigned i = 0; i < registry_count(registry); i++) {
		const struct sensor_status *s = registry_status(registry, i);

		if (!provides(s, signal))
			continue;
		if (s->state == SENSOR_OK)
			works = works ? works : s;
		else
			refused = refused ? refused : s;
	}
	if (works)
		text_append(out, "absent     %s: %s", works->name,
			    works->why[0] ? works->why : "nothing to measure now");
	else if (refused)
		text_append(out, "absent     %s: %s", refused->name, refused->why);
	else if (signal == SIGNAL_MEM_EXHAUSTION_S || signal == SIGNAL_SPOOL_EXHAUSTION_S ||
		 signal == SIGNAL_SPOOL_INODES_EXHAUSTION_S)
		text_append(out, "absent     known while a trend lasts, minutes after the start");
	else if (signal == SIGNAL_QUEUE_GROWTH_PER_S || signal == SIGNAL_QUEUE_DRAIN_S)
		text_append(out, "absent     known while the queue is");
	else
		text_append(out, "absent     known once sessions are open");
}

static void print_signals(struct text *out, const struct sample *last,
			  const struct registry *registry)
{
	text_append(out, "\nsignal                     via        now\n");
	for (int s = 0; s < SIGNAL__COUNT; s++) {
		text_append(out, "%-26s ", signal_info[s].name);
		if (sample_has(last, (enum signal)s)) {
			text_append(out, "%-10s ", via_name((enum via)last->via[s]));
			words_value(out, signal_info[s].unit, last->value[s]);
		} else {
			print_absent(out, (enum signal)s, registry);
		}
		text_append(out, "\n");
	}
	text_append(out, "\nsensor                     state      why\n");
	for (unsigned i = 0; i < registry_count(registry); i++) {
		const struct sensor_status *s = registry_status(registry, i);

		text_append(out, "%-26s %-10s %s\n", s->name, sensor_state_name(s->state),
			    s->state == SENSOR_OK ? "" : s->why);
	}
}

/* Polls several times, because rates and quantiles need more than one reading; keeps the latest
 * value of each signal. */
static void poll_some(struct sensing *sensing, struct sample *last)
{
	const struct timespec pause = { 0, INTERVAL_MS * 1000000L };
	struct sample sample;
	struct load load;

	sample_clear(last, 0);
	for (int i = 0; i < POLLS; i++) {
		sample_clear(&sample, clock_monotonic_us());
		memset(&load, 0, sizeof(load));
		sensing_poll(sensing, sample.now_us, URGENCY_URGENT, &sample, &load);
		for (int s = 0; s < SIGNAL__COUNT; s++) {
			if (!sample_has(&sample, (enum signal)s))
				continue;
			last->value[s] = sample.value[s];
			last->via[s] = sample.via[s];
		}
		nanosleep(&pause, NULL);
	}
}

void support_print(const struct config *config, struct text *out)
{
	struct sensing *sensing = NULL;
	struct sample last;

	/* The table contains the findings. */
	log_set_level(LOG_LEVEL_ERROR);
	if (sensing_open(config, &sensing) < 0) {
		text_append(out, "out of memory\n");
		return;
	}
	if (sensing_kernel(sensing))
		kernel_support(sensing_kernel(sensing), out);
	else
		text_append(out, "BPF is not available: %s\n", sensing_bpf_why(sensing));
	gate_support(config, out);
	if (sensing_registry(sensing)) {
		poll_some(sensing, &last);
		print_signals(out, &last, sensing_registry(sensing));
	}
	sensing_close(sensing);
}
