/* penstockd --support: what this kernel and this privilege allow, signal by signal, and what is used instead. Not the
 * running daemon: opens the sensors as it would, polls them a few times, closes them. */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/clock.h"
#include "base/text.h"
#include "daemon.h"
#include "kernel/gate.h"
#include "kernel/kernel.h"
#include "sensor/sensor.h"

#define POLLS 6
#define INTERVAL_MS 200

static void print_value(struct text *out, enum signal signal, double value)
{
	switch (signal_info[signal].unit) {
	case UNIT_RATIO:
		text_append(out, "%.1f%%", value * 100);
		break;
	case UNIT_US:
		text_append(out, "%.3f ms", value / 1000);
		break;
	case UNIT_S:
		text_append(out, "%.0f s", value);
		break;
	case UNIT_BYTES:
	case UNIT_BYTES_PER_S:
		text_append(out, "%.1f MiB%s", value / 1048576,
			    signal_info[signal].unit == UNIT_BYTES ? "" : "/s");
		break;
	default:
		text_append(out, "%.4g", value);
	}
}

static bool provides(const struct sensor_status *sensor, enum signal signal)
{
	for (const enum signal *s = sensor->provides; *s != SIGNAL__COUNT; s++)
		if (*s == signal)
			return true;
	return false;
}

/* Why a signal is absent: its sensors' reasons, or that they work and there is nothing to measure. */
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
			print_value(out, (enum signal)s, last->value[s]);
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

void daemon_support(const struct config *config, struct text *out)
{
	struct sensor_env env = { .config = config,
				  .proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				  .sys_fd = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				  .cgroup_fd = open("/sys/fs/cgroup",
						    O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	const struct timespec pause = { 0, INTERVAL_MS * 1000000L };
	struct registry *registry = NULL;
	struct sample sample, last;
	struct load load;
	char why[256] = "";

	/* What is found on the way stands in the table. */
	log_set_level(LOG_LEVEL_ERROR);
	if (!config->bpf)
		text_append(out, "BPF: switched off (daemon.bpf = no)\n");
	else if (kernel_open(config, &env.kernel, why) < 0)
		text_append(out, "BPF: not to be had: %s\n", why);
	else
		kernel_support(env.kernel, out);
	gate_support(config, out);
	sample_clear(&last, 0);
	if (registry_open(&env, &registry) == 0) {
		/* Rates and quantiles need more than one look; the latest of each signal is shown. */
		for (int i = 0; i < POLLS; i++) {
			sample_clear(&sample, clock_monotonic_us());
			memset(&load, 0, sizeof(load));
			registry_poll(registry, sample.now_us, REGISTRY_URGENT, &sample, &load);
			for (int s = 0; s < SIGNAL__COUNT; s++) {
				if (!sample_has(&sample, (enum signal)s))
					continue;
				last.value[s] = sample.value[s];
				last.via[s] = sample.via[s];
			}
			nanosleep(&pause, NULL);
		}
		print_signals(out, &last, registry);
	}
	registry_close(registry);
	kernel_close(env.kernel);
	for (int i = 0; i < 3; i++)
		if ((&env.proc_fd)[i] >= 0)
			close((&env.proc_fd)[i]);
}
