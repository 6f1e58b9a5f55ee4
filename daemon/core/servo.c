/* The pressure servo: an integrating controller on the norm of delay pressures, for where neither
 * completions nor dialogue can be seen. RFC 8033 for its shape. */
#include "core/window_parts.h"

/* p of the signals that a queue shows itself in; PSI only opens the gate. */
double window_servo(struct window *w, struct tick *t)
{
	static const enum signal delays[] = { SIGNAL_RUNQ_P99_US,	SIGNAL_BLKIO_P99_US,
					      SIGNAL_DISK_AWAIT_US,	SIGNAL_CONNECT_220_P99_US,
					      SIGNAL_OLDEST_WAITING_US, SIGNAL_ACCEPT_QUEUE_RATIO };
	const struct pressure *p = t->in->pressure;
	double sum = 0, harm = -1, e, du, in_flight = t->in->load->in_flight;
	bool hold = tick_holds(w, t);

	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		if (!sample_has(t->in->sample, delays[i]))
			continue;
		sum += pow(fmin(p->signal[delays[i]], SERVO_PRESSURE_MOST), SERVO_NORM);
		if (signal_info[delays[i]].resource == RESOURCE_SMTP)
			harm = fmax(harm, p->signal[delays[i]]);
	}
	if (sum == 0 && t->saturation >= 0)
		sum = pow(t->saturation / SATURATED,
			  SERVO_NORM); /* nothing but the gate is known */
	e = clamp_double(1 - pow(sum, 1 / SERVO_NORM), -1, 1);
	/* Shedding must help: resource pressure alone, while mail's own objective is seen to hold,
	 * cuts nothing. */
	if (e < 0 && harm >= 0 && harm < SERVO_HARM && window_has(w, WINDOW_PART_FOREIGN))
		e = 0;
	if (e < 0 && t->machine == MACHINE_IDLE && harm < 1)
		e = 0;
	if (w->servo.window == 0)
		w->servo.window = w->config.most ? w->config.most : SERVO_PER_CORE * t->cores;
	du = (SERVO_GAIN * (e - w->servo.error) + (e > 0 ? SERVO_UP : SERVO_DOWN) * e) * t->dt /
	     SERVO_TICK_S;
	w->servo.error = e;
	if (e > 0 && (e < SERVO_DEAD || hold || in_flight < SERVO_USED * w->servo.window))
		du = 0;
	w->servo.window *= exp(clamp_double(du, -SERVO_STEP_DOWN, SERVO_STEP_UP));
	if (in_flight > w->servo.window && w->servo.window < SERVO_EVICT * in_flight)
		w->servo.window = SERVO_EVICT * in_flight; /* W cannot evict */
	w->servo.window = clamp_double(w->servo.window, w->config.least, WINDOW_MOST);
	w->view.target_time_s = w->view.think_time_s = 0;
	w->view.capacity_per_s = -1;
	return w->servo.window;
}
