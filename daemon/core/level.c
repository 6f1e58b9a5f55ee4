#include "core/level.h"

#include <string.h>

#define UP_US 1000000u
#define DOWN_US 30000000u
#define EXIT_SHARE 0.8 /* of the entry threshold */

void level_init(struct level_state *state, uint64_t now_us)
{
	memset(state, 0, sizeof(*state));
	state->level.since_us = now_us;
}

/* Whether the input stands at `number` or higher, with its entry thresholds times `share`. */
static int stands_at(const struct level_input *in, enum level_number number, double share)
{
	double refused = 1 - in->admit_ratio;

	switch (number) {
	case LEVEL_CRITICAL:
		return in->hard || refused > 0.9 * share;
	case LEVEL_SEVERE:
		return refused > 0.5 * share || stands_at(in, LEVEL_CRITICAL, share);
	case LEVEL_SHEDDING:
		return refused > 0.01 * share || stands_at(in, LEVEL_CRITICAL, share);
	case LEVEL_ELEVATED:
		return in->pressure > 0.8 * share || stands_at(in, LEVEL_SHEDDING, share);
	default:
		return 1;
	}
}

static int enter(struct level_state *state, enum level_number number, uint64_t now_us)
{
	state->level.number = number;
	state->level.since_us = now_us;
	state->level.changes[number]++;
	state->above_since_us = state->below_since_us = 0;
	return 1;
}

int level_step(struct level_state *state, const struct level_input *input)
{
	enum level_number current = state->level.number, raw = LEVEL_NORMAL;

	for (int n = LEVEL__COUNT - 1; n > LEVEL_NORMAL && raw == LEVEL_NORMAL; n--)
		if (stands_at(input, (enum level_number)n, 1))
			raw = (enum level_number)n;
	if (raw > current) {
		/* The lowest level seen throughout the dwell is the one to enter. */
		if (state->above_since_us == 0 || raw < state->above)
			state->above = raw;
		if (state->above_since_us == 0)
			state->above_since_us = input->now_us;
		if (input->now_us - state->above_since_us >= UP_US)
			return enter(state, state->above, input->now_us);
	} else {
		state->above_since_us = 0;
	}
	if (current == LEVEL_NORMAL || stands_at(input, current, EXIT_SHARE)) {
		state->below_since_us = 0;
		return 0;
	}
	if (state->below_since_us == 0)
		state->below_since_us = input->now_us;
	if (input->now_us - state->below_since_us >= DOWN_US)
		return enter(state, (enum level_number)(current - 1), input->now_us);
	return 0;
}

const char *level_name(enum level_number number)
{
	static const char *const names[LEVEL__COUNT] = { "normal", "elevated", "shedding", "severe",
							 "critical" };

	return number < LEVEL__COUNT ? names[number] : "unknown";
}
