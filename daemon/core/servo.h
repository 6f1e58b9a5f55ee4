/* What the pressure servo (servo.c) follows. The rest of it is declared in window_parts.h. */
#ifndef PENSTOCK_CORE_SERVO_H
#define PENSTOCK_CORE_SERVO_H

#include "core/pressure.h"
#include "core/sample.h"

struct delay_pressure {
	double most; /* the highest pressure of a delay, or of the saturation alone; 0: none */
	double harm; /* the highest of those of mail itself; -1: none is known */
	const char *name; /* of the signal with the highest pressure; NULL: there is none */
};

/* The pressures of the signals in which a queue shows. If none of them is known or above 0, only
 * the saturation (0..1; -1: not known) is left, which is a gate. */
struct delay_pressure delay_pressure(const struct sample *sample, const struct pressure *pressure,
				     double saturation);

#endif
