/* Processor sharing, event by event: every job gets the same share of the cores. So one clock of
 * service shows when each job is done, however often the share changes. Beyond a knee each further
 * active job wastes a part; a neighbour takes cores. The server's jobs and those apart (a filter in
 * a control group of its own) share equally, or each control group gets its half first. */
#ifndef PENSTOCK_SIM_CPU_H
#define PENSTOCK_SIM_CPU_H

#include <stdbool.h>
#include <stdint.h>

struct cpu_config {
	double cores; /* that the jobs may use */
	double machine_cores;
	double knee, thrash; /* above `knee` active jobs each costs `thrash` more; 0: none */
	bool by_group; /* half of the cores are the server's, half of those apart */
};

struct cpu_job {
	double end; /* on the clock of service, s */
	uint32_t id, generation;
	bool apart;
};

/* Jobs that share equally. */
struct cpu_line {
	double clock; /* service that each job has had, s */
	double useful; /* share of a core that each job gets, without what is wasted */
	struct cpu_job *job; /* a heap by end */
	uint32_t jobs, room;
};

struct cpu {
	const struct cpu_config *config;
	double neighbour; /* cores that others ask for */
	double overhead; /* cores that refusals use */
	double stuck; /* 1: nothing is done at all */
	double weight; /* weight of the jobs against the neighbour, 1: equal */
	double used; /* cores that all jobs use now */
	struct cpu_line line[2]; /* of the server, and apart */
	uint64_t at_us; /* the time up to which all is computed */
	uint64_t next_us; /* when the next job is done; UINT64_MAX: none */
	uint32_t active; /* jobs that were not withdrawn */
	uint32_t apart; /* of the active jobs, those in another control group than the server's */
	double ran_s, stalled_s; /* since the observer cleared them */
	double own_stalled_s; /* time in which a job of the server itself waited */
};

void cpu_init(struct cpu *cpu, const struct cpu_config *config);
void cpu_done(struct cpu *cpu);
/* Computes up to now. Then change the state, and call cpu_changed(). */
void cpu_advance(struct cpu *cpu, uint64_t now_us);
void cpu_changed(struct cpu *cpu);
/* A job that needs so much CPU: `job` says which, and whether it is apart. */
void cpu_put(struct cpu *cpu, uint64_t now_us, double work_s, struct cpu_job job);
/* Withdraws a job of the server: its share goes to the others. cpu_take() still returns it, and the
 * caller ignores it. */
void cpu_withdraw(struct cpu *cpu, uint64_t now_us);
/* Takes a job that is done at `now_us`. Then the caller calls cpu_finished(), or cpu_changed() if
 * the job was withdrawn. */
bool cpu_take(struct cpu *cpu, uint64_t now_us, struct cpu_job *ret_job);
void cpu_finished(struct cpu *cpu, const struct cpu_job *job);
/* The largest useful number of cores that any number of jobs gets now. */
double cpu_best(const struct cpu *cpu);

#endif
