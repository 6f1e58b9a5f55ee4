/* What arrives and what ends, a second: in this tick, and smoothed. */
#include "core/window_parts.h"

void rates_step(struct rates *r, struct observation *o)
{
	const struct load_service *now = o->in->load;
	/* Where others count than in the tick before (a proxy is gone, or back), the counters are
	 * of different things. Their difference says nothing: a proxy's is of its whole life. */
	bool same = r->primed && r->last.known == now->known;
	const struct load_service *was = same ? &r->last : now;
	double jobs = counter_delta(now->completed, was->completed);
	double ended = counter_delta(now->finished, was->finished);
	double ended_time = counter_delta(now->server_us, was->server_us) / US_IN_S;
	double keep = exp(-ended / ENDED_JOBS);

	o->completed = jobs / o->dt;
	o->offered = counter_delta(now->offered, was->offered) / o->dt;
	o->admitted = counter_delta(now->admitted, was->admitted) / o->dt;
	o->deferred = (counter_delta(now->deferred, was->deferred) +
		       counter_delta(now->would_defer, was->would_defer)) /
		      o->dt;
	o->busy = now->busy;
	if (now->busy_us >= was->busy_us && now->busy_us != 0)
		o->busy = (double)(now->busy_us - was->busy_us) / US_IN_S / o->dt;
	smooth_step(&r->completed, o->completed, o->dt, TAU_RATE_S);
	smooth_step(&r->completed_slow, o->completed, o->dt, TAU_COST_S);
	smooth_step(&r->offered, o->offered, o->dt, TAU_RATE_S);
	smooth_step(&r->admitted, o->admitted, o->dt, TAU_RATE_S);
	smooth_step(&r->done, ended / o->dt, o->dt, TAU_RATE_S);
	smooth_step(&r->done_time, ended_time / o->dt, o->dt, TAU_RATE_S);
	r->few = keep * r->few + ended;
	r->few_time = keep * r->few_time + ended_time;
	smooth_step(&r->busy, o->busy, o->dt, TAU_BUSY_S);
	r->jobs += jobs;
	if (o->deferred > 0)
		r->refused_us = o->in->now_us;
	o->refusing = r->refused_us != 0 && o->in->now_us - r->refused_us < us_of(TAU_RATE_S);
	o->thought =
		fmax(0, counter_delta(now->session_us, was->session_us) / US_IN_S - ended_time) /
		o->dt;
	r->last = *now;
	r->primed = true;
}

void rates_pause(struct rates *r)
{
	r->primed = false;
}
