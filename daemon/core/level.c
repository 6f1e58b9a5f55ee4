#include "core/level.h"

#include <string.h>

#include "core/law.h"

void level_init(struct level_state *state, uint64_t now_us)
{
	memset(state, 0, sizeof(*state));
	state->level.since_us = now_us;
}

/* Whether the input meets the entry condition of `number` or a higher level, with thresholds
 * multiplied by `share`. */
static int stands_at(const struct level_input *in, enum level_number number, double share)
{
	double refused = 1 - in->admit_ratio;

	switch (number) {
	case LEVEL_CRITICAL:
		return in->hard || refused > CRITICAL_REFUSED * share;
	case LEVEL_SEVERE:
		return refused > SEVERE_REFUSED * share || stands_at(in, LEVEL_CRITICAL, share);
	case LEVEL_SHEDDING:
		return refused > SHEDDING_REFUSED * share || stands_at(in, LEVEL_CRITICAL, share);
	case LEVEL_ELEVATED:
		return in->pressure > ELEVATED_PRESSURE * share ||
		       stands_at(in, LEVEL_SHEDDING, share);
	default:
		return 1;
	}
}

/* Notes since when a condition has held; 0: it does not hold. */
static void follow(uint64_t *since_us, int is_so, uint64_t now_us)
{
	if (!is_so)
		*since_us = 0;
	else if (*since_us == 0)
		*since_us = now_us;
}

static int has_lasted(uint64_t since_us, double s, uint64_t now_us)
{
	return since_us != 0 && now_us - since_us >= (uint64_t)(US_IN_S * s);
}

/* Where clients are refused, the level says so at once. A cliff must have lasted. */
static int rises(const struct level_state *state, enum level_number number,
		 const struct level_input *in)
{
	int plain = number == LEVEL_SHEDDING && 1 - in->admit_ratio > SHEDDING_REFUSED;

	return has_lasted(state->above_since_us[number], plain ? 0 : LEVEL_UP_S, in->now_us);
}

static int stays(const struct level_state *state, enum level_number number,
		 const struct level_input *in)
{
	double s = state->rests[number] ? LEVEL_REST_S : LEVEL_DOWN_S;

	if (in->spares && number >= LEVEL_SHEDDING)
		return 0;
	return !has_lasted(state->below_since_us[number], s, in->now_us);
}

/* Notes that a level came back soon after it was left: then it stays longer. */
static void note_rise(struct level_state *state, enum level_number to, uint64_t now_us)
{
	for (int n = state->level.number + 1; n <= (int)to; n++)
		state->rests[n] = state->left_us[n] != 0 &&
				  now_us - state->left_us[n] < US_IN_S * LEVEL_REST_S;
}

static int enter(struct level_state *state, enum level_number number, uint64_t now_us)
{
	if (number > state->level.number)
		note_rise(state, number, now_us);
	for (int n = state->level.number; n > (int)number; n--)
		state->left_us[n] = now_us;
	state->level.number = number;
	state->level.since_us = now_us;
	state->level.changes[number]++;
	return 1;
}

int level_step(struct level_state *state, const struct level_input *input)
{
	enum level_number current = state->level.number, up = current, down = LEVEL_NORMAL;

	for (int n = LEVEL_ELEVATED; n < LEVEL__COUNT; n++) {
		enum level_number number = (enum level_number)n;

		follow(&state->above_since_us[n], stands_at(input, number, 1), input->now_us);
		follow(&state->below_since_us[n], !stands_at(input, number, LEVEL_EXIT),
		       input->now_us);
		if (rises(state, number, input))
			up = number;
		if (n <= (int)current && stays(state, number, input))
			down = number;
	}
	if (up > current)
		return enter(state, up, input->now_us);
	return down < current ? enter(state, down, input->now_us) : 0;
}

const char *level_name(enum level_number number)
{
	static const char *const names[LEVEL__COUNT] = { "normal", "elevated", "shedding", "severe",
							 "critical" };

	return number < LEVEL__COUNT ? names[number] : "unknown";
}
