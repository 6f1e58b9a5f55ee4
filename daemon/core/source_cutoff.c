/* What passes: cut-offs of rank such that as many are predicted to be admitted as there are
 * credits.
 *
 * Arrivals are counted by band and bin of rank, and fade: their shape over half a minute, their
 * rate over two seconds. The cut-off itself is not remembered, so the same load gives the same
 * cut-off from above and from below. Two parts of the credits are reserved: a tenth for sources
 * that were never seen, and three tenths for sources that are due. What they do not need goes to
 * all by rank. If a cut-off falls within a bin, the tie-break of group and epoch decides. The
 * figures are in law.h.
 *
 * A cut-off is a prediction, and so is an unusual rate. Neither causes a refusal while places are
 * free: both only say which sources come last, and these get what is not kept for the others. How
 * much is kept is not predicted: it grows while a source that comes first finds no place, and fades
 * otherwise. Example: 16 relays at half the capacity never meet a full window, so nothing is kept,
 * and none of them is refused, however high the level is and however unusual their rates are. */
#include <math.h>
#include <string.h>

#include "core/smooth.h"
#include "core/source_parts.h"

#define RATE_MIN ((float)TELLS_MIN_PER_S) /* arrivals a second: fewer are no overload */

void cutoff_note(struct source_table *t, unsigned service, const struct plan_source *source,
		 uint32_t count)
{
	struct source_arrivals *a = &t->arrivals[service];

	a->bin[source->band][source->rank >> PLAN_RANK_SHIFT] += (float)count;
	a->total[source->band] += (float)count;
	a->tick[source->band] += (float)count;
	a->used = 1;
}

/* Uses the cut-offs of the last plan, since the fronts decided by that. */
static bool comes_first(const struct source_table *t, const struct source_arrivals *a,
			const struct plan_source *source)
{
	return !source->heavy &&
	       plan_score(t->salt, source->group, source->rank) >= a->cutoff[source->band];
}

void cutoff_crowded(struct source_table *t, unsigned service, const struct plan_source *source,
		    bool found_none, uint32_t count)
{
	struct source_arrivals *a = &t->arrivals[service];

	if (!comes_first(t, a, source))
		return;
	a->first_tick += (float)count;
	if (found_none)
		a->crowded_tick += (float)count;
}

void cutoff_exempt(struct source_table *t, unsigned service, uint32_t count)
{
	t->arrivals[service].exempt_tick += (float)count;
	t->arrivals[service].used = 1;
}

void cutoff_heavy(struct source_table *t, unsigned service, uint32_t count)
{
	t->arrivals[service].heavy_tick += (float)count;
	t->arrivals[service].used = 1;
}

void cutoff_forget(struct source_table *t, float unusual)
{
	for (unsigned i = 0; i < PLAN_SERVICES; i++) {
		struct source_arrivals *a = &t->arrivals[i];

		memset(a->bin, 0, sizeof(a->bin));
		memset(a->total, 0, sizeof(a->total));
		for (int b = 0; b < PLAN_BANDS; b++) {
			a->heavy += unusual * a->rate[b];
			a->rate[b] *= 1 - unusual;
		}
	}
}

static void fade(struct source_arrivals *a, double dt_s)
{
	double rate = 0, tau;
	float keep, move = (float)(1 - exp(-dt_s / ARRIVALS_TAU_S));

	for (int b = 0; b < PLAN_BANDS; b++) {
		a->rate[b] += move * (a->tick[b] / (float)dt_s - a->rate[b]);
		a->tick[b] = 0;
		rate += a->rate[b];
	}
	a->exempt += move * (a->exempt_tick / (float)dt_s - a->exempt);
	a->exempt_tick = 0;
	a->heavy += move * (a->heavy_tick / (float)dt_s - a->heavy);
	a->heavy_tick = 0;
	a->first += move * (a->first_tick / (float)dt_s - a->first);
	a->first_tick = 0;
	/* a tick at least: what came in it tells enough if that is more than SHAPE_EVENTS */
	tau = fmin(fmax(SHAPE_EVENTS / fmax(rate, USE_TRIFLE), dt_s), SHAPE_MAX_S);
	keep = (float)exp(-dt_s / tau);
	for (int b = 0; b < PLAN_BANDS; b++) {
		if (a->total[b] < ARRIVALS_TRIFLE) {
			if (a->total[b] != 0)
				memset(a->bin[b], 0, sizeof(a->bin[b]));
			a->total[b] = 0;
			continue;
		}
		a->total[b] *= keep;
		for (int i = 0; i < SOURCE_BINS; i++)
			a->bin[b][i] = fade_float(a->bin[b][i], keep);
	}
}

/* A window that is not full while a source is cut off is lost capacity: the prediction is corrected
 * until it is full. */
static void correct(struct source_arrivals *a, const struct source_load *load, bool cut_off,
		    double dt_s)
{
	double gain = a->gain > 0 ? a->gain : 1, room = 0;

	if (load->window > 0)
		room = FULL - fmin(load->in_flight / load->window, 2);
	if (load->window > 0 && load->in_flight >= 0 && cut_off)
		gain *= exp(CUTOFF_GAIN_PER_S * dt_s * room);
	else
		gain += (1 - gain) * (1 - exp(-dt_s / CUTOFF_GAIN_RELAX_S));
	a->gain = fminf(fmaxf((float)gain, (float)CUTOFF_GAIN_MIN), (float)CUTOFF_GAIN_MAX);
}

/* Sessions a second that may be admitted by rank; negative: no bound. */
static double credits(const struct source_arrivals *a, const struct source_load *load)
{
	double x = load->capacity_per_s, fill;

	if (load->window < 0)
		return -1;
	if (load->in_flight < 0)
		return x > 0 ? fmax(x - a->exempt, ALLOWED_MIN * x) : -1;
	fill = load->in_flight / fmax(load->window, 1);
	if (x <= 0) {
		/* Completions cannot be seen: take what is admitted now, scaled to a full
		 * window. */
		if (load->admitted_per_s <= 0 || fill <= 0)
			return -1;
		x = load->admitted_per_s / fill;
	}
	x *= clamp_double(1 + CREDITS_FOLLOW * (FULL - fill), 1 - CREDITS_BOUND, 1 + CREDITS_BOUND);
	return fmax(x - a->exempt, ALLOWED_MIN * x);
}

/* The score above which `wanted` a second of these bands arrive, and how many of each band that
 * is. */
static uint32_t cut(const struct source_arrivals *a, const bool *bands, const float *scale,
		    float wanted, float *ret_admitted)
{
	float sum = 0;

	for (int b = 0; b < PLAN_BANDS; b++)
		ret_admitted[b] = 0;
	for (int i = SOURCE_BINS - 1; i >= 0; i--) {
		float bin = 0, share;

		for (int b = 0; b < PLAN_BANDS; b++)
			bin += bands[b] ? a->bin[b][i] * scale[b] : 0;
		if (bin <= 0)
			continue;
		share = sum + bin <= wanted ? 1 : fmaxf(0, (wanted - sum) / bin);
		for (int b = 0; b < PLAN_BANDS; b++)
			ret_admitted[b] += bands[b] ? share * a->bin[b][i] * scale[b] : 0;
		if (share < 1)
			return (uint32_t)i << PLAN_SCORE_SHIFT |
			       (uint32_t)((1 - share) * SCORE_TIES);
		sum += bin;
	}
	return 0;
}

static void set_cutoffs(const struct source_arrivals *a, float c, uint32_t *cutoff)
{
	const float reserve[PLAN_BANDS] = { 0, (float)CREDITS_NEW * c, (float)CREDITS_DUE * c };
	bool bands[PLAN_BANDS] = { true, true, true };
	float scale[PLAN_BANDS], admitted[PLAN_BANDS], arriving = 0;
	uint32_t all;

	for (int b = 0; b < PLAN_BANDS; b++) {
		scale[b] = a->total[b] > 0 ? a->rate[b] / a->total[b] : 0;
		arriving += a->rate[b];
		cutoff[b] = 0;
	}
	if (c < 0 || arriving <= c || arriving < RATE_MIN)
		return;
	all = cut(a, bands, scale, c, admitted);
	for (int b = 0; b < PLAN_BANDS; b++)
		cutoff[b] = all;
	for (int b = PLAN_BAND_NEW; b < PLAN_BANDS; b++) {
		bool only[PLAN_BANDS] = { false };
		float owed = fminf(a->rate[b], reserve[b]), own[PLAN_BANDS];

		if (admitted[b] >= owed)
			continue;
		only[b] = true;
		cutoff[b] = cut(a, only, scale, owed, own);
		bands[b] = false;
		c -= owed;
	}
	if (bands[PLAN_BAND_NEW] && bands[PLAN_BAND_PROMISED])
		return;
	all = cut(a, bands, scale, fmaxf(c, 0), admitted);
	for (int b = 0; b < PLAN_BANDS; b++)
		if (bands[b])
			cutoff[b] = all;
}

/* A source with so many sessions at once comes last. If there are few sources, one may have a
 * larger part of the window, since a load balancer in front is one address. */
static uint32_t source_share(const struct source_table *t, const struct source_load *load)
{
	if (load->window < 0)
		return PLAN_UNLIMITED;
	return (uint32_t)fmax(SHARE_SESSIONS,
			      load->window * fmax(SHARE_WINDOW, 2 / fmax(t->active, 1)));
}

/* The most that sources that come first can make use of. Nothing if no source comes first, or if
 * there is only one source: a tie-break cuts whole groups, so of one source all or nothing. */
static double reserve_max(const struct source_table *t, const struct source_arrivals *a)
{
	double most = KEPT_MAX * (1 - 1 / fmax(t->active, 1));

	return a->credits > 0 ? most * fmin(1, a->first / (KEPT_FIRST * a->credits)) : most;
}

/* Adjusts the part of each limit that is kept, so that the sources that come first find a place. */
static uint8_t step_reserve(const struct source_table *t, struct source_arrivals *a, double dt_s)
{
	double share, reserve = a->reserve;

	a->crowded += (float)(1 - exp(-dt_s / CROWDED_TAU_S)) *
		      (a->crowded_tick / (float)dt_s - a->crowded);
	a->crowded_tick = 0;
	share = fmin(1, a->crowded / fmaxf(a->first, RATE_MIN));
	reserve += dt_s * (KEPT_PER_S * share - reserve / KEPT_FADES_S);
	a->reserve = (float)fmin(fmax(reserve, 0), reserve_max(t, a));
	return (uint8_t)(RESERVE_ONE * a->reserve);
}

void cutoff_step(struct source_table *t, const struct source_input *in, double dt_s,
		 struct plan *plan)
{
	for (unsigned i = 0; i < plan->services && i < PLAN_SERVICES; i++) {
		struct source_arrivals *a = &t->arrivals[i];
		const struct source_load *load = &in->service[i];
		struct plan_service *s = &plan->service[i];

		if (s->shed == PLAN_SHED_NO)
			continue;
		if (a->used)
			fade(a, dt_s);
		correct(a, load,
			a->credits >= 0 && a->rate[0] + a->rate[1] + a->rate[2] > a->credits, dt_s);
		a->credits = (float)credits(a, load);
		set_cutoffs(a, a->credits * a->gain, s->cutoff);
		memcpy(a->cutoff, s->cutoff, sizeof(a->cutoff));
		s->reserve_256 = step_reserve(t, a, dt_s);
		s->source_share = source_share(t, load);
		s->source_max = t->sessions_max ? t->sessions_max : PLAN_UNLIMITED;
	}
	t->salt = plan->salt;
	memcpy(t->cutoff, plan->service[0].cutoff, sizeof(t->cutoff));
}
