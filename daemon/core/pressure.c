#include "core/pressure.h"

#include <math.h>
#include <string.h>

#include "core/law.h"
#include "core/smooth.h"

/* The time to the greeting without load is a property of the server (greet wait, DNS lists). The
 * learned figure falls within seconds and rises over minutes; time beyond it is overload. */
static void learn_base(struct pressure_state *state, const struct sample *sample, double dt_s)
{
	double now;

	if (!sample_has(sample, SIGNAL_CONNECT_220_P50_US))
		return;
	now = sample->value[SIGNAL_CONNECT_220_P50_US];
	if (!state->base_seen) {
		state->connect_220_base_us = now;
		state->base_seen = true;
		return;
	}
	smooth_step(&state->connect_220_base_us, now, dt_s,
		    now < state->connect_220_base_us ? GREETING_DOWN_S : GREETING_UP_S);
}

static double signal_target(const struct pressure_state *state, const double *targets,
			    enum signal s)
{
	if (targets[s] <= 0)
		return 0;
	if (s == SIGNAL_CONNECT_220_P99_US)
		return targets[s] + state->connect_220_base_us;
	if (s == SIGNAL_OLDEST_WAITING_US)
		return targets[s] + GREETINGS_BORNE * state->connect_220_base_us;
	if (s == SIGNAL_SERVER_TIME_US)
		return targets[s] + state->server_time_base_us;
	return targets[s];
}

void pressure_restore(struct pressure_state *state, double connect_220_base_us)
{
	if (!(connect_220_base_us > 0 && connect_220_base_us < WARM_GREETING_MAX_US))
		return;
	state->connect_220_base_us = connect_220_base_us;
	state->base_seen = true;
}

void pressure_step(struct pressure_state *state, const double *targets, const struct sample *sample,
		   double dt_s, struct pressure *ret_pressure)
{
	struct pressure p = { .driver = RESOURCE__COUNT, .driver_signal = SIGNAL__COUNT };
	double most = 0;

	for (int r = 0; r < RESOURCE__COUNT; r++)
		p.resource_driver[r] = SIGNAL__COUNT;
	learn_base(state, sample, dt_s);
	for (int s = 0; s < SIGNAL__COUNT; s++) {
		enum resource r = signal_info[s].resource;
		double target = signal_target(state, targets, (enum signal)s);

		if (!sample_has(sample, (enum signal)s)) {
			state->seen[s] =
				false; /* absent is not zero: it has no pressure and no past */
			continue;
		}
		p.known[r] = p.any_known = true;
		if (target <= 0)
			continue;
		p.target[s] = target;
		if (state->seen[s])
			smooth_step(&state->smoothed[s], sample->value[s], dt_s, SIGNAL_TAU_S);
		else
			state->smoothed[s] = sample->value[s];
		state->seen[s] = true;
		p.signal[s] = state->smoothed[s] / target;
		if (p.resource_driver[r] == SIGNAL__COUNT || p.signal[s] > p.resource[r]) {
			p.resource[r] = p.signal[s];
			p.resource_driver[r] = (enum signal)s;
		}
	}
	for (int r = 0; r < RESOURCE__COUNT; r++) {
		if (p.resource_driver[r] == SIGNAL__COUNT)
			continue;
		if (p.driver == RESOURCE__COUNT || p.resource[r] > most) {
			most = p.resource[r];
			p.driver = (enum resource)r;
			p.driver_signal = p.resource_driver[r];
		}
	}
	p.combined = most;
	*ret_pressure = p;
}
