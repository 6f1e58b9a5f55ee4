/* One tick of a service as the law sees it: what the sample and the counters say, smoothed. */
#include "core/window_parts.h"

/* How saturated the MTA's part of the machine is. "some" reaches 1 early where there are several
 * cores: there it counts only as far as the cores are used, too. */
void window_read_saturation(struct window *w, struct tick *t)
{
	const struct sample *s = t->in->sample;
	double used = sample_get(s, SIGNAL_CPU_BUSY_RATIO, -1);
	double own = sample_get(s, SIGNAL_MTA_CPU_CORES, -1);

	t->cpu = tick_first_of(s, SIGNAL_MTA_CPU_STALL_RATIO, SIGNAL_CPU_STALL_RATIO, -1);
	t->io = tick_first_of(s, SIGNAL_MTA_IO_STALL_RATIO, SIGNAL_IO_STALL_RATIO, -1);
	t->memory = tick_first_of(s, SIGNAL_MTA_MEM_STALL_RATIO, SIGNAL_MEM_STALL_RATIO, -1);
	if (own >= 0)
		used = fmax(used, own / t->cores);
	t->used = used;
	if (t->cpu < 0)
		t->cpu = used; /* no PSI: a busy CPU is the next best */
	else if (t->cores > SEVERAL_CORES && used >= 0 && window_has(w, WINDOW_PART_CORES))
		t->cpu = fmin(t->cpu, used / CORES_FULL);
	t->saturation = fmax(t->cpu, fmax(t->io, t->memory));
	if (t->saturation > 1)
		t->saturation = 1;
	if (t->saturation < 0)
		w->view.saturation = -1;
	else if (w->saturation_seen)
		smooth_step(&w->view.saturation, t->saturation, t->dt, TAU_SATURATION_S);
	else
		w->view.saturation = t->saturation;
	t->saturation = w->view.saturation;
	w->saturation_seen = t->saturation >= 0;
}

void window_read_load(struct window *w, struct tick *t)
{
	const struct load_service *now = t->in->load, *was = &w->last;
	double jobs = counter_delta(now->completed, was->completed);

	t->completed = jobs / t->dt;
	t->offered = counter_delta(now->offered, was->offered) / t->dt;
	t->admitted = counter_delta(now->admitted, was->admitted) / t->dt;
	t->deferred = (counter_delta(now->deferred, was->deferred) +
		       counter_delta(now->would_defer, was->would_defer)) /
		      t->dt;
	t->busy = now->busy;
	if (now->busy_us >= was->busy_us && now->busy_us != 0)
		t->busy = (double)(now->busy_us - was->busy_us) / US_IN_S / t->dt;
	smooth_step(&w->rates.completed, t->completed, t->dt, TAU_RATE_S);
	smooth_step(&w->rates.completed_slow, t->completed, t->dt, TAU_COST_S);
	smooth_step(&w->rates.offered, t->offered, t->dt, TAU_RATE_S);
	smooth_step(&w->rates.admitted, t->admitted, t->dt, TAU_RATE_S);
	smooth_step(&w->rates.done, counter_delta(now->finished, was->finished) / t->dt, t->dt,
		    TAU_RATE_S);
	smooth_step(&w->rates.done_time,
		    counter_delta(now->server_us, was->server_us) / US_IN_S / t->dt, t->dt,
		    TAU_RATE_S);
	smooth_step(&w->rates.busy, t->busy, t->dt, TAU_BUSY_S);
	w->rates.jobs += jobs;
	if (t->deferred > 0)
		w->rates.refused_us = t->in->now_us;
	t->refusing =
		w->rates.refused_us != 0 && t->in->now_us - w->rates.refused_us < us_of(REFUSING_S);
	/* Z, a job: what finished sessions spent waiting for their sender. */
	smooth_step(&w->think.sum,
		    fmax(0, counter_delta(now->session_us, was->session_us) -
				    counter_delta(now->server_us, was->server_us)) /
			    US_IN_S / t->dt,
		    t->dt, TAU_COST_S);
	smooth_step(&w->think.jobs, t->completed, t->dt, TAU_COST_S);
}
