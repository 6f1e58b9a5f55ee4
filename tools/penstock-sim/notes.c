/* Notes the run, tick by tick: the measures, and with --trace a line. */
#include "penstock-sim/notes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void show(const struct run *r, const struct measure_tick *row)
{
	const struct host *h = &r->host[0];
	const struct window_view *v = &h->law.engine.view.window[0];
	const struct plan_service *plan = &h->law.plan.service[0];

	printf("%7.1f offered %6.0f completed %4.0f refused %5.0f a tick, window %5.0f in flight %5.0f T %.3f (%.3f) base %.3f Z %.3f Xcap "
	       "%5.0f sat %.2f p %.2f level %d waiting %u held %llu of %.1f s at %.0f, %s\n",
	       run_time_s(r), r->offered, row->completed, row->refused, row->window, row->in_flight,
	       v->server_time_s, v->target_time_s, h->law.engine.window[0].unloaded.time_s,
	       v->think_time_s, row->capacity, v->saturation, row->pressure,
	       h->law.engine.view.level.number, r->senders.waiting,
	       (unsigned long long)h->plant.counts.held, plan->hold_us / 1e6,
	       plan->pass_milli / 1e3, regime_name(v->regime));
	if (h->law.sources && r->senders.groups) {
		struct source_stats s;

		source_stats(h->law.sources, &s);
		printf("        sources active %.0f waiting %llu fair %.4f cost %.4f credits %.0f offered %.0f due %.1f new %.1f, cut-offs "
		       "%u %u %u of 65535, broken %llu of %llu\n",
		       s.active, (unsigned long long)s.deferred, s.fair_rate, s.session_cost_s,
		       s.credits_per_s, s.offered_per_s, s.promised_per_s, s.new_per_s,
		       s.cutoff[0] >> 16, s.cutoff[1] >> 16, s.cutoff[2] >> 16,
		       (unsigned long long)s.broken, (unsigned long long)s.promised);
	}
}

/* Adds the figures of a host in this tick to the row; -1: no host has a window. */
static void note_host(struct host *h, struct measure_tick *row, struct measure_second *second)
{
	const struct engine_view *v = &h->law.engine.view;
	struct plant *p = &h->plant;

	row->completed += (double)(p->counts.completed - h->completed_before);
	row->in_time += (double)(p->in_time - h->in_time_before);
	row->filtered += (double)(p->filtered - h->filtered_before);
	row->refused += (double)(p->counts.deferred - h->refused_before);
	row->window = h->index && row->window >= 0 && v->window[0].window >= 0
			      ? row->window + v->window[0].window
			      : v->window[0].window;
	row->in_flight += p->in_flight;
	row->pressure = h->index ? fmax(row->pressure, v->pressure.combined) : v->pressure.combined;
	row->capacity += v->window[0].capacity_per_s;
	row->latency = fmax(row->latency, p->latency_worst_s);
	row->waiting_s = fmax(row->waiting_s, plant_oldest_waiting_s(p));
	p->latency_worst_s = 0;
	h->completed_before = p->counts.completed;
	h->in_time_before = p->in_time;
	h->filtered_before = p->filtered;
	h->refused_before = p->counts.deferred;
	second->good += (uint32_t)(p->good - h->good_before);
	h->good_before = p->good;
	if (v->level.number > second->level || !h->index)
		second->level = (uint8_t)v->level.number;
}

/* Fills in what a decider that sees all hosts knows. */
static void reveal(const struct run *r, struct clairvoyant_tick *future)
{
	float jobs = 0, places = 0;

	for (unsigned i = 0; i < r->hosts; i++) {
		if (r->host[i].down > 0)
			continue;
		plant_reveal(&r->host[i].plant, future);
		jobs += future->jobs;
		places += future->places;
	}
	future->jobs = jobs;
	future->places = places;
}

/* Histograms at the bounds of the overload. */
static void note_histograms(struct run *r)
{
	struct measure *m = &r->measure;
	struct counts_service sum;
	uint64_t told[COUNTS_SLOTS] = { 0 };

	if (run_time_s(r) >= fmax(m->from_s, m->to_s) + 0.05)
		return;
	run_counts(r, &sum);
	for (unsigned h = 0; h < r->hosts; h++)
		for (unsigned i = 0; i < COUNTS_SLOTS; i++)
			told[i] += r->host[h].plant.told[i];
	if (run_time_s(r) < m->from_s + 0.05) {
		memcpy(m->banner_before, sum.connect_220, sizeof(m->banner_before));
		memcpy(m->told_before, told, sizeof(m->told_before));
	}
	if (run_time_s(r) < m->to_s + 0.05) {
		memcpy(m->banner_after, sum.connect_220, sizeof(m->banner_after));
		memcpy(m->told_after, told, sizeof(m->told_after));
	}
}

void notes_take(struct run *r)
{
	struct measure *m = &r->measure;
	struct measure_tick *row = &m->tick[m->ticks % MEASURE_TICKS];
	struct measure_second *second = measure_at(m, r->now_us);
	struct clairvoyant_tick *future = measure_future(m, r->now_us - RUN_BEGIN_US);
	uint64_t at = r->now_us / 1000000;

	*row = (struct measure_tick){ 0 };
	for (unsigned i = 0; i < r->hosts; i++)
		note_host(&r->host[i], row, second);
	if (future) {
		reveal(r, future);
		if (!run_is_fleet(r))
			m->refused[future - m->future] = (uint32_t)row->refused;
	}
	second->completed += (uint32_t)row->completed;
	second->window = (float)row->window;
	second->in_flight = (float)row->in_flight;
	second->pressure = (float)row->pressure;
	if (at < m->seconds)
		m->capacity[at] = run_capacity(r);
	note_histograms(r);
	m->ticks++;
	if (r->trace && m->ticks % 5 == 0)
		show(r, row);
}
