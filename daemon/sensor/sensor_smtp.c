/* SMTP sessions by socket states: turns the probe's counts into load and signals. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel/kernel.h"
#include "sensor/probe_sensor.h"
#include "sensor/sensors.h"
#include "sensor/window_hist.h"

struct smtp {
	struct kernel *kernel;
	unsigned services;
	struct window_hist window;
	uint64_t greeted, greeted_us; /* the number, and when it last changed */
};

/* For so long after the last greeting, the quantile of greetings is valid. */
#define GREETED_US (4 * WINDOW_HIST_HALF_US)

static int smtp_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct smtp *s;
	int r = probe_sensor_open(env, PROBE_SMTP, sizeof(*s), ret_state, why);

	if (r < 0)
		return r;
	s = *ret_state;
	s->services = env->config->services;
	return 0;
}

/* A front that relays the dialogue knows more: its values are not overwritten. */
static void put_load(const struct kernel_smtp *k, struct load_service *l)
{
	uint32_t fresh = ~l->known;

	if (fresh & LOAD_IN_FLIGHT)
		l->in_flight = k->in_flight;
	if (fresh & LOAD_OFFERED) {
		l->offered = k->opened;
		l->admitted = k->opened;
	}
	if (fresh & LOAD_COMPLETED) {
		l->completed = k->completed;
		l->finished = k->closed;
	}
	if (fresh & LOAD_BUSY) {
		l->busy = k->busy;
		l->busy_us = k->busy_us;
		l->session_us = k->session_us;
		l->server_us = k->server_us;
	}
	if (fresh & LOAD_STUCK)
		l->stuck = k->stuck;
	if (fresh & LOAD_UNGREETED)
		l->ungreeted = k->ungreeted;
	l->known |= LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED |
		    LOAD_STUCK;
}

static void put_times(struct smtp *s, const struct kernel_smtp *of_service, uint64_t now_us,
		      struct sample *sample)
{
	uint64_t sum[COUNTS_SLOTS] = { 0 };
	double q;

	for (unsigned i = 0; i < s->services; i++)
		for (unsigned p = 0; p < CONFIG_PORTS && of_service[i].connect_220[p]; p++)
			for (unsigned b = 0; b < COUNTS_SLOTS; b++)
				sum[b] += of_service[i].connect_220[p][b];
	q = window_hist_quantile(&s->window, sum, 0.99);
	if (q >= 0) {
		sample_put(sample, SIGNAL_CONNECT_220_P99_US, q, VIA_BPF);
		sample_put(sample, SIGNAL_CONNECT_220_P50_US,
			   window_hist_quantile(&s->window, sum, 0.5), VIA_BPF);
	}
	window_hist_step(&s->window, sum, now_us);
}

static int smtp_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		     char *why)
{
	struct smtp *s = state;
	struct kernel_smtp of_service[PLAN_SERVICES];
	uint64_t oldest = 0, greeted = 0;
	double ungreeted = 0;
	unsigned drift = kernel_smtp_audit(s->kernel, now_us);

	if (drift)
		log_warning(
			"The count of SMTP sessions was wrong by %u and has been corrected. Mail is not affected.",
			drift);
	for (unsigned i = 0; i < s->services; i++) {
		struct kernel_smtp *k = &of_service[i];

		if (kernel_smtp_read(s->kernel, i, now_us, k) < 0)
			return -ENODATA;
		put_load(k, &load->service[i]);
		if (!k->sees_waits)
			snprintf(
				why, SENSOR_WHY_MAX,
				"this kernel does not take smtp_look: behind the gate a sender that stalls counts as busy");
		ungreeted += k->ungreeted;
		greeted += k->greeted;
		if (k->oldest_waiting_us > oldest)
			oldest = k->oldest_waiting_us;
	}
	if (greeted != s->greeted || !s->greeted_us) {
		s->greeted = greeted;
		s->greeted_us = now_us;
	}
	if (now_us - s->greeted_us < GREETED_US)
		put_times(s, of_service, now_us, sample);
	sample_put(sample, SIGNAL_OLDEST_WAITING_US, (double)oldest, VIA_BPF);
	sample_put(sample, SIGNAL_WAITING_COUNT, ungreeted, VIA_BPF);
	return 0;
}

static const enum signal smtp_signals[] = { SIGNAL_CONNECT_220_P99_US, SIGNAL_CONNECT_220_P50_US,
					    SIGNAL_OLDEST_WAITING_US, SIGNAL_WAITING_COUNT,
					    SIGNAL__COUNT };

const struct sensor_ops sensor_bpf_smtp = { .name = "bpf_smtp",
					    .provides = smtp_signals,
					    .open = smtp_open,
					    .poll = smtp_poll,
					    .close = free,
					    .every_tick = true };
