/* The pressure servo: an integrating controller on the norm of delay pressures, for where neither completions nor dialogue can be
 * seen. RFC 8033 for its shape. */
#include <math.h>

#include "core/smooth.h"
#include "core/window_parts.h"

/* p of the signals that a queue shows itself in; PSI only opens the gate. */
double window_servo(struct window *w, struct tick *t)
{
	static const enum signal delays[] = { SIGNAL_RUNQ_P99_US,	SIGNAL_BLKIO_P99_US,
					      SIGNAL_DISK_AWAIT_US,	SIGNAL_CONNECT_220_P99_US,
					      SIGNAL_OLDEST_WAITING_US, SIGNAL_ACCEPT_QUEUE_RATIO };
	const struct pressure *p = t->in->pressure;
	double sum = 0, harm = -1, e, du, in_flight = t->in->load->in_flight;
	bool hold = t->in->now_us < w->hold_until_us;

	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		if (!sample_has(t->in->sample, delays[i]))
			continue;
		sum += pow(fmin(p->signal[delays[i]], 1e3), 8);
		if (signal_info[delays[i]].resource == RESOURCE_SMTP)
			harm = fmax(harm, p->signal[delays[i]]);
	}
	if (sum == 0 && t->saturation >= 0)
		sum = pow(t->saturation / SATURATED, 8); /* nothing but the gate is known */
	e = clamp_double(1 - pow(sum, 1.0 / 8), -1, 1);
	/* Shedding must help: resource pressure alone, while mail's own objective is seen to hold, cuts nothing. */
	if (e < 0 && harm >= 0 && harm < 0.5 && window_has(w, WINDOW_PART_FOREIGN))
		e = 0;
	if (e < 0 && t->saturation >= 0 && t->saturation < 0.5 && harm < 1)
		e = 0;
	if (w->servo == 0)
		w->servo = w->config.most ? w->config.most : 100 * t->cores;
	du = (0.10 * (e - w->servo_error) + (e > 0 ? 0.02 : 0.15) * e) * t->dt / 0.1;
	w->servo_error = e;
	if (e > 0 && (e < 0.1 || hold || in_flight < 0.85 * w->servo))
		du = 0;
	w->servo *= exp(clamp_double(du, -0.35, 0.05));
	if (in_flight > w->servo && w->servo < 0.7 * in_flight)
		w->servo = 0.7 * in_flight; /* W cannot evict */
	w->servo = clamp_double(w->servo, w->config.least, WINDOW_MOST);
	w->view.target_time_s = w->view.think_time_s = 0;
	w->view.capacity_per_s = -1;
	return w->servo;
}
