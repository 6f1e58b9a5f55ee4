#include "publish/explain_sources.h"

#include <math.h>

#include "publish/words.h"

static void explain_wait(const struct status *s, const struct source_view *v, struct text *out)
{
	uint64_t now_s = s->realtime_us / 1000000;
	char when[32];

	if (!v->known) {
		text_append(out, "   it is not known: no recent connection from it\n");
		return;
	}
	if (!v->deferred) {
		text_append(out, "   it does not wait; known since %s%s%s\n",
			    words_time(v->since_s * 1000000, when),
			    v->regular ? ", delivered before" : "",
			    v->proven ? ", came back properly before" : "");
		return;
	}
	text_append(out, "   deferred since %s (", words_time(v->since_s * 1000000, when));
	words_duration(out, now_s > v->since_s ? (double)(now_s - v->since_s) : 0);
	text_append(out, "), %u attempt%s counted, the last one at ", v->attempts,
		    v->attempts == 1 ? "" : "s");
	text_append(out, "%s", words_time(v->last_s * 1000000, when));
	if (v->gap_s) {
		text_append(out, ", comes back after ");
		words_duration(out, v->gap_s);
	}
	if (v->patience_s) {
		text_append(out, "; one like it gives up after ");
		words_duration(out, v->patience_s);
	}
	text_append(out, "\n");
}

/* Whether a front lets clients wait for a place now. */
static bool lets_wait(const struct status *s)
{
	for (unsigned i = 0; i < s->config.services; i++)
		if (s->load.service[i].known & LOAD_HELD && s->plan.service[i].hold_us)
			return true;
	return false;
}

static void explain_outlook(const struct status *s, const struct source_snapshot *p,
			    struct text *out)
{
	const struct source_view *v = &p->view;
	char when[32];

	text_append(out, "   rank %u of %u, band %s, cut-off %u; ",
		    v->source.rank >> PLAN_RANK_SHIFT, SOURCE_BINS - 1, words_band(v->source.band),
		    s->plan.service[0].cutoff[v->source.band % PLAN_BANDS] >> PLAN_SCORE_SHIFT);
	if (p->admitted_in_s == 0) {
		text_append(out, s->plan.service[0].reserve_256 ? "its rank is high enough now"
				 : s->view.window[0].refusing
					 ? "no rank comes first now: all are treated alike"
					 : "places are not short: every rank is high enough now");
	} else if (p->admitted_in_s == UINT32_MAX) {
		text_append(out, "at the current load it would not be admitted within a week");
	} else {
		/* The room takes clients whose rank alone is too low. */
		text_append(out, "at the current load %s admitted if it retries in ",
			    lets_wait(s) ? "and without waiting for a place (see 5) it would be"
					 : "it would be");
		words_duration(out, p->admitted_in_s);
	}
	if (v->deferred)
		text_append(out, "; promised before %s and by its attempt %u%s",
			    words_time(v->promised_before_s * 1000000, when),
			    s->config.longest_attempts,
			    s->sources.infeasible ? ", WHICH CANNOT BE KEPT NOW: more is due than "
						    "there is capacity for"
						  : "");
	text_append(out, "\n");
}

/* Docker's proxy, a NAT, a load balancer: the clients behind it cannot be distinguished. */
static void explain_shared(const struct status *s, const struct source_view *v, struct text *out)
{
	if (!s->shared.known || memcmp(s->shared.address, v->address, sizeof(v->address)) != 0)
		return;
	text_append(
		out,
		"   it brings %.0f %% of all connections%s and may stand for many clients: %s\n",
		100 * s->shared.share, s->shared.is_private ? ", is a private address" : "",
		fault_remedy(FAULT_SHARED_ADDRESS));
}

void explain_source(const struct status *s, const struct source_snapshot *p, struct text *out)
{
	const struct source_view *v = &p->view;
	char name[64];

	text_append(out, "   it counts as %s%s%s\n",
		    v->pool[0] ? "pool " : words_group(v->address, name), v->pool[0] ? v->pool : "",
		    v->pool[0] ? ", one source with all its networks" : "");
	explain_wait(s, v, out);
	text_append(out, "   uses %.3g s of the server a second", v->rate);
	if (v->usual > 0)
		text_append(out, ", usually %.3g", v->usual);
	if (s->sources.fair_rate >= 0)
		text_append(out, ", the fair rate is %.3g", s->sources.fair_rate);
	text_append(out, "; %.0f connection%s a minute from this address", v->connections_per_min,
		    lround(v->connections_per_min) == 1 ? "" : "s");
	if (v->source.heavy)
		text_append(
			out, "; %s",
			v->source.heavy == PLAN_HEAVY_LIMIT
				? "that is over source.rate_max"
				: "more than usual for it, and over the fair rate: while places are short, other sources come first");
	text_append(out, "\n");
	explain_shared(s, v, out);
	explain_outlook(s, p, out);
}
