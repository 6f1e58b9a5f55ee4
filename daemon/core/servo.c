/* The pressure servo: an integrating controller on the highest pressure of a delay. It is for
 * fronts that see neither completions nor the dialogue. Shape: the integral part of RFC 8033. */
#include "core/servo.h"

#include "core/window_parts.h"

struct delay_pressure delay_pressure(const struct sample *sample, const struct pressure *pressure,
				     double saturation)
{
	static const enum signal delays[] = { SIGNAL_RUNQ_P99_US,	SIGNAL_BLKIO_P99_US,
					      SIGNAL_DISK_AWAIT_US,	SIGNAL_CONNECT_220_P99_US,
					      SIGNAL_OLDEST_WAITING_US, SIGNAL_ACCEPT_QUEUE_RATIO };
	struct delay_pressure ret = { .harm = -1 };

	for (unsigned i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		double one = pressure->signal[delays[i]];

		if (!sample_has(sample, delays[i]))
			continue;
		if (signal_info[delays[i]].resource == RESOURCE_SMTP)
			ret.harm = fmax(ret.harm, one);
		if (one <= ret.most)
			continue;
		ret.most = one;
		ret.name = signal_info[delays[i]].name;
	}
	if (!ret.name && saturation > 0) {
		ret.most = saturation / SATURATED;
		ret.name = "saturation";
	}
	return ret;
}

double servo_step(struct servo *servo, const struct observation *o)
{
	const struct delay_pressure p =
		delay_pressure(o->in->sample, o->in->pressure, o->saturation);
	double e = clamp_double(1 - p.most, -1, 1), du, in_flight = o->in->load->in_flight;

	/* Refusing mail must help. So a resource's pressure alone does not reduce the window while
	 * mail's own objective is met, nor on an idle machine. */
	if (e < 0 && p.harm < 1 &&
	    (o->machine == MACHINE_IDLE ||
	     (p.harm >= 0 && window_has(o->config, WINDOW_PART_FOREIGN))))
		e = 0;
	if (servo->window == 0)
		servo->window = o->config->max ? o->config->max : SERVO_PER_CORE * o->cores;
	du = (e > 0 ? SERVO_UP : SERVO_DOWN) * e * o->dt;
	/* The plan has a whole number of places: a window of 8.4 is full with 8. */
	if (e > 0 && (o->growth_frozen || in_flight < FULL * round(servo->window)))
		du = 0;
	servo->window *= fmax(exp(du), SERVO_MIN);
	if (in_flight > servo->window && servo->window < SERVO_MIN * in_flight)
		servo->window = SERVO_MIN * in_flight; /* a window cannot end sessions */
	servo->window = clamp_double(servo->window, o->config->min, WINDOW_MAX);
	return servo->window;
}
