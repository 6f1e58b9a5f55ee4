#include "penstock-sim/sense.h"

#include <math.h>
#include <string.h>

#include "core/splitmix.h"

#define QUEUE_EVERY_US 1000000u
#define QUANTUM_US 4000.0 /* wait that each further runnable task of a core adds */

void sense_init(struct sense *s, const struct sense_config *config, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	s->config = *config;
	s->random = seed ^ UINT64_C(0x5e45e);
}

static void put_load(const struct sense *s, const struct plant *p, struct load_service *l)
{
	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED;
	if (!s->config.hide_dialogue)
		l->known |= LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED | LOAD_HELD | LOAD_STUCK;
	l->offered = p->counts.offered;
	l->admitted = p->counts.admitted;
	l->deferred = p->counts.deferred;
	l->would_defer = p->counts.would_defer;
	l->completed = p->counts.completed;
	l->finished = p->counts.finished;
	l->busy_us = p->counts.busy_us;
	l->server_us = p->counts.server_us;
	l->session_us = p->counts.session_us;
	l->in_flight = plant_in_flight(p);
	l->busy = plant_busy(p);
	l->ungreeted = plant_ungreeted(p);
	l->stuck = s->config.hide_dialogue ? 0 : plant_stuck(p);
	l->held = (double)p->counts.held;
	l->held_admitted = p->counts.held_admitted;
	l->held_in_vain = p->counts.held_in_vain;
	l->held_left = p->counts.held_left;
	l->held_longest_s = p->counts.oldest_held_since_us
				    ? (double)(p->now_us - p->counts.oldest_held_since_us) / 1e6
				    : 0;
}

static void put_memory(const struct plant *p, struct sample *sample)
{
	double used = plant_memory(p);

	if (p->config.memory_bytes <= 0)
		return;
	sample_put(sample, SIGNAL_MEM_AVAILABLE_BYTES, fmax(0, p->config.memory_bytes - used),
		   VIA_CGROUP);
	sample_put(sample, SIGNAL_MTA_MEM_BYTES, used, VIA_CGROUP);
	sample_put(sample, SIGNAL_MEM_USED_RATIO, used / p->config.memory_bytes, VIA_CGROUP);
}

static void put_machine(const struct sense *s, struct plant *p, double dt, struct sample *sample)
{
	const struct cpu *c = &p->cpu;
	double machine = p->config.machine_cores, stall = c->stalled_s / dt;
	bool crowded = c->neighbour > machine - 1;

	sample_put(sample, SIGNAL_CPU_STALL_RATIO, fmin(1, stall + (crowded ? 0.5 : 0)), VIA_PSI);
	sample_put(sample, SIGNAL_CPU_BUSY_RATIO, fmin(1, (c->ran_s / dt + c->neighbour) / machine),
		   VIA_PROCFS);
	sample_put(sample, SIGNAL_RUNQ_P99_US,
		   QUANTUM_US * fmax(0, (c->active + c->neighbour) / machine - 1), VIA_BPF);
	sample_put(sample, SIGNAL_IO_STALL_RATIO, fmin(1, p->io_stalled_s / dt), VIA_PSI);
	sample_put(sample, SIGNAL_MEM_STALL_RATIO, fmin(1, p->mem_stalled_s / dt), VIA_PSI);
	sample_put(sample, SIGNAL_MTA_CORES, machine, VIA_CGROUP);
	if (!s->config.hide_cost) {
		sample_put(sample, SIGNAL_MTA_CPU_CORES,
			   fmax(0, c->ran_s - (s->config.filter_apart ? p->filter_ran_s : 0)) / dt,
			   VIA_CGROUP);
		sample_put(sample, SIGNAL_MTA_CPU_STALL_RATIO,
			   fmin(1, s->config.filter_apart ? c->own_stalled_s / dt : stall),
			   VIA_CGROUP);
	}
}

static void put_listener(struct sense *s, const struct plant *p, struct sample *sample)
{
	double p99 = counts_quantile(p->counts.connect_220, s->before, .99);

	sample_put(sample, SIGNAL_ACCEPT_QUEUE_RATIO, fmin(1, p->accept.count / 128.0),
		   VIA_SOCK_DIAG);
	sample_put(sample, SIGNAL_ACCEPT_QUEUE_COUNT, (double)p->accept.count, VIA_SOCK_DIAG);
	sample_put(sample, SIGNAL_OLDEST_WAITING_US, plant_oldest_waiting_s(p) * 1e6, VIA_FRONT);
	if (p99 >= 0 && !s->config.hide_dialogue) {
		sample_put(sample, SIGNAL_CONNECT_220_P99_US, p99, VIA_FRONT);
		sample_put(sample, SIGNAL_CONNECT_220_P50_US,
			   counts_quantile(p->counts.connect_220, s->before, .5), VIA_FRONT);
	}
	memcpy(s->before, p->counts.connect_220, sizeof(s->before));
}

/* The queue in front of the filter, which is read once a second, as in the daemon. */
static void put_queue(struct sense *s, const struct plant *p, struct sample *sample)
{
	if (p->config.filter_s <= 0)
		return;
	if (p->now_us - s->queue_us >= QUEUE_EVERY_US) {
		s->queue_us = p->now_us;
		s->queue_ready = p->filter_queue + p->filters;
	}
	sample_put(sample, SIGNAL_QUEUE_READY_COUNT, s->queue_ready, VIA_SPOOL);
}

/* The filter, as found from the server's connections: its accept queue, and the CPU of its control
 * group. */
static void put_filter(const struct sense *s, const struct plant *p, double dt,
		       struct sample *sample)
{
	double most = p->config.filter_clients, clients = fmin(most, p->filters + p->filter_queue);

	if (!s->config.filter_apart || p->config.filter_s <= 0)
		return;
	sample_put(sample, SIGNAL_FILTER_CONNECTIONS, clients, VIA_SOCK_DIAG);
	sample_put(sample, SIGNAL_FILTER_QUEUE_COUNT, fmax(0, clients - p->filters), VIA_SOCK_DIAG);
	sample_put(sample, SIGNAL_FILTER_QUEUE_RATIO, fmax(0, clients - p->filters) / 128,
		   VIA_SOCK_DIAG);
	sample_put(sample, SIGNAL_FILTER_CPU_CORES, p->filter_ran_s / dt, VIA_CGROUP);
}

static double gauss(uint64_t *random)
{
	double u = 1 - splitmix_unit(random), v = splitmix_unit(random);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* Adds gaps and noise, except to signals that the scenario sets. */
static void spoil(struct sense *s, struct sample *sample)
{
	for (int i = 0; i < SIGNAL__COUNT; i++) {
		if (s->set[i] && s->value[i] < 0)
			sample->via[i] = VIA_NONE;
		if (!sample_has(sample, (enum signal)i) || s->set[i] || i == SIGNAL_MTA_CORES)
			continue;
		if (s->config.loss > 0 && splitmix_unit(&s->random) < s->config.loss)
			sample->via[i] = VIA_NONE;
		else if (s->config.noise > 0) {
			sample->value[i] *= exp(s->config.noise * gauss(&s->random));
			if (signal_info[i].unit == UNIT_RATIO)
				sample->value[i] = fmin(1, sample->value[i]);
		}
	}
}

void sense_observe(struct sense *s, struct plant *p, struct sample *ret_sample,
		   struct load *ret_load)
{
	double dt = fmax((double)(p->now_us - p->cleared_us) / 1e6, 0.001);
	uint32_t late = (uint32_t)(s->config.delay_s * 10 + 0.5);
	struct sample *sample = &s->past[s->ticks % SENSE_LATE_MAX];

	cpu_advance(&p->cpu, p->now_us);
	plant_settle(p);
	plant_settle_filter(p);
	memset(ret_load, 0, sizeof(*ret_load));
	put_load(s, p, &ret_load->service[0]);
	sample_clear(sample, p->now_us);
	for (int i = 0; i < SIGNAL__COUNT; i++)
		if (s->set[i] && s->value[i] >= 0)
			sample_put(sample, (enum signal)i, s->value[i], VIA_PROCFS);
	put_machine(s, p, dt, sample);
	put_listener(s, p, sample);
	put_memory(p, sample);
	put_queue(s, p, sample);
	put_filter(s, p, dt, sample);
	spoil(s, sample);
	if (late > SENSE_LATE_MAX - 1)
		late = SENSE_LATE_MAX - 1;
	if (late > s->ticks)
		late = s->ticks;
	*ret_sample = s->past[(s->ticks - late) % SENSE_LATE_MAX];
	ret_sample->now_us = p->now_us;
	s->ticks++;
	p->cpu.ran_s = p->cpu.stalled_s = p->cpu.own_stalled_s = p->filter_ran_s = 0;
	p->io_stalled_s = p->mem_stalled_s = 0;
	p->cleared_us = p->now_us;
}
