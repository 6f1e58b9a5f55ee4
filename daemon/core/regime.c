/* Which way Xcap goes: the only place that decides it.
 *
 *                                     | saturation < .90 | .90 to .95 | .95 and more
 *   ----------------------------------+------------------+------------+----------------
 *   T good, or fewer than 3 busy      | FREE             | FREE       | STEADY
 *   T from good to .6 s, 3 busy       | FREE             | FREE       | CLOSING
 *   T over .6 s or an accept queue    | OVER             | OVER       | OVER
 *     that stands, 3 busy, for long   |                  |            |
 *   a sensor was lost, slots short    | CAPPED instead of FREE
 *   the server stops for some seconds | STOPPED, whatever the rest says: stop.c
 *
 * T here is what is longer than the unloaded time T0 (unloaded.c). */
#include "core/window_parts.h"

/* Whether the CPUs do all they can. If so, the sessions that wait do get through; on an idle
 * machine they may wait forever. */
static bool does_all_it_can(const struct observation *o)
{
	return o->used >= WORKS && o->saturation >= WORKS;
}

/* Whether the server is over its knee, and for longer than an admission takes to show. An accept
 * queue that stands is an overload too: sessions that were refused late wait in it, and T does not
 * contain them. A queue left by a step of the load does not count: a server that forks takes a
 * moment to work it off, and what it completes in that time began before the step. */
static bool is_over(struct knee *knee, const struct observation *o, const struct rates *r,
		    double lag_s)
{
	bool over = observed_slow(o, r, TIME_BAD_S) ||
		    (o->server & SERVER_SHORT_OF_SLOTS && r->busy >= BUSY_MIN);

	knee->over_s = over ? knee->over_s + o->dt : 0;
	return knee->over_s > fmax(lag_s, does_all_it_can(o) ? LAG_MAX_S : TAU_RATE_S);
}

enum regime regime_step(struct knee *knee, const struct observation *o, const struct rates *r,
			double lag_s, double good_s)
{
	if (o->stopped == STOPPED_SHORTLY) {
		knee->over_s = 0;
		return REGIME_STOPPED;
	}
	if (is_over(knee, o, r, lag_s))
		return REGIME_OVER;
	/* The machine is saturated. If mail's own time is good, other programs cause that, and
	 * refusing mail would not help. */
	if (o->machine == MACHINE_SATURATED)
		return observed_slow(o, r, good_s) || !window_has(o->config, WINDOW_PART_FOREIGN)
			       ? REGIME_CLOSING
			       : REGIME_STEADY;
	return o->growth_frozen || o->server & SERVER_SHORT_OF_SLOTS ? REGIME_CAPPED : REGIME_FREE;
}

static const struct {
	const char *name, *sentence;
} regimes[] = {
#define X(id, name, sentence) { name, sentence },
	REGIME_TABLE(X)
#undef X
};

const char *regime_name(enum regime regime)
{
	return regimes[regime].name;
}

const char *regime_sentence(enum regime regime)
{
	return regimes[regime].sentence;
}
