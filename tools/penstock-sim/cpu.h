/* Processor sharing, event by event: every job on the cores gets the same share, so one clock of
 * service shows when each is done, however often the share changes. Past a knee each more active
 * job wastes a part; a neighbour takes cores. */
#ifndef PENSTOCK_SIM_CPU_H
#define PENSTOCK_SIM_CPU_H

#include <stdbool.h>
#include <stdint.h>

struct cpu_config {
	double cores; /* that the jobs may use */
	double machine_cores;
	double knee, thrash; /* above `knee` active jobs each costs `thrash` more; 0: none */
};

struct cpu_job {
	double end; /* on the clock of service, s */
	uint32_t id, generation;
};

struct cpu {
	const struct cpu_config *config;
	double neighbour; /* cores that others ask for */
	double overhead; /* cores that go into refusals */
	double stuck; /* 1: nothing is done at all */
	double weight; /* weight of the jobs against the neighbour, 1: equal */
	/* What share_of() gave for the present state. */
	double each, useful;
	double clock; /* service that each job has had, s */
	uint64_t at_us; /* brought up to */
	uint64_t next_us; /* when the next job is done; UINT64_MAX: none */
	struct cpu_job *job; /* a heap by end */
	uint32_t jobs, room, active; /* active: jobs without those that were withdrawn */
	uint32_t apart; /* of the active ones, those of another control group than the server's */
	double ran_s, stalled_s; /* since the observer cleared them */
	double own_stalled_s; /* while one of the server's own waited */
};

void cpu_init(struct cpu *cpu, const struct cpu_config *config);
void cpu_done(struct cpu *cpu);
/* Brings the clock to now; then the state may be changed, and cpu_changed() called. */
void cpu_advance(struct cpu *cpu, uint64_t now_us);
void cpu_changed(struct cpu *cpu);
void cpu_put(struct cpu *cpu, uint64_t now_us, double work_s, uint32_t id, uint32_t generation);
/* Withdraws a job: its share goes to the others. cpu_take() still returns it, and the caller
 * ignores it. */
void cpu_withdraw(struct cpu *cpu, uint64_t now_us);
/* The job that is done at `now_us`. `active` is the caller's to lower (cpu_finished) when the job
 * was no ghost. */
bool cpu_take(struct cpu *cpu, uint64_t now_us, struct cpu_job *ret_job);
void cpu_finished(struct cpu *cpu);
/* The largest useful number of cores for the jobs now, over all numbers of jobs. */
double cpu_best(const struct cpu *cpu);

#endif
