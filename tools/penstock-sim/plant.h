/* A mail server on a machine, in virtual time: sessions that cost CPU, wait for a commit, hold memory and a slot, and think in
 * between. Deterministic for a seed. It shows itself as the daemon would see it: a sample and a load. */
#ifndef PENSTOCK_SIM_PLANT_H
#define PENSTOCK_SIM_PLANT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/counts.h"
#include "core/engine.h"

#define PLANT_SESSIONS 20000

struct plant_config {
	double cores; /* that the server can use */
	double machine_cores;
	double cost_s; /* CPU a message */
	double lookup_s; /* a session waits for a remote service without any load of its own */
	double think_s; /* the sender's part of a session */
	double commit_s; /* a group commit takes so long; 0: none */
	double session_bytes, memory_bytes; /* 0: memory is not short */
	double slots;
	double knee,
		thrash; /* above `knee` active sessions each costs `thrash` more of the CPU; 0: none */
	bool see_cost; /* the server's CPU time is known (its control group) */
	bool see_dialogue; /* completions and dialogue are known */
};

enum plant_phase {
	PHASE_QUEUED,
	PHASE_GREET,
	PHASE_LOOKUP,
	PHASE_THINK,
	PHASE_WORK,
	PHASE_COMMIT,
	PHASE_LINGER
};

struct plant_session {
	uint64_t opened_us, until_us, owed_us; /* owed: since when the server owes */
	double work_s; /* left */
	double server_s; /* the server's part so far */
	uint8_t phase;
	bool greeted;
};

struct plant {
	struct plant_config config;
	uint64_t now_us, random;
	unsigned count, in_slots;
	struct plant_session session[PLANT_SESSIONS];
	uint64_t commit_until_us;
	double neighbour; /* cores that others take */
	double stuck; /* 1: the server does nothing at all */
	/* since the last observation */
	double ran_s, stalled_s, io_stalled_s, mem_stalled_s, dt_s, used_s;
	/* counters */
	struct counts_service counts;
	uint64_t oom_kills;
	double latency_worst_s; /* of the completed since it was last set to 0 */
	uint64_t in_time; /* completed within 1 s of server time */
};

void plant_init(struct plant *plant, const struct plant_config *config, uint64_t seed);
/* A connection that was admitted (counted by plant_offer()). */
void plant_open(struct plant *plant);
/* One step of a millisecond. */
void plant_step(struct plant *plant);
/* What sensors and fronts say of the time since the last call. */
void plant_observe(struct plant *plant, struct sample *sample, struct load *load);
/* Messages a second that the plant can complete. */
double plant_capacity(const struct plant *plant);

#endif
