/* A scenario as text: a plant, its senders, what sensors see, what changes when, and what is
 * expected. penstock-sim --help describes the language. */
#ifndef PENSTOCK_SIM_SCENARIO_H
#define PENSTOCK_SIM_SCENARIO_H

#include "penstock-sim/law.h"
#include "penstock-sim/plant.h"
#include "penstock-sim/senders.h"
#include "penstock-sim/sense.h"

#define SCENARIO_EVENTS 256
#define SCENARIO_NAME 40
#define SCENARIO_HOSTS 300

enum script_kind { SCRIPT_SET, SCRIPT_RAMP, SCRIPT_SIGNAL, SCRIPT_ORDER, SCRIPT_EXPECT };

struct script_event {
	enum script_kind kind;
	unsigned line;
	double at_s, over_s; /* over: of a ramp, or back in time for an expectation */
	char name[SCENARIO_NAME];
	double value, from;
	char operator[3]; /* of an expectation */
	char text[96]; /* as written */
	bool done, begun;
};

struct scenario {
	struct plant_config plant;
	struct sense_config sense;
	struct law_params params;
	struct sender_group group[SENDERS_GROUPS];
	unsigned groups;
	/* with --against: the plant gets the share of the CPUs that the recorded server got */
	bool shared;
	double verdict_delay_s;
	bool gate; /* the front is the gate: an admitted client is not refused later */
	double overload_from_s, overload_to_s; /* to_s 0: the scenario names none */
	double hosts; /* in a fleet; 1: no fleet */
	double fleet_memory_bytes; /* of each */
	double slots_known; /* the server's slots as the engine knows them; 0: unknown */
	uint32_t without; /* parts of the law that are switched off: enum window_part */
	double end_s;
	unsigned events;
	struct script_event event[SCENARIO_EVENTS];
};

void scenario_init(struct scenario *scenario);
/* Reads one line. 0, or -EINVAL with a sentence in `why` (128). */
int scenario_line(struct scenario *scenario, unsigned number, char *line, char *why);
/* Sets KEY=VALUE of the command line: any key of plant, sense or law (law.NAME), `offered`, `end`,
 * `without`. */
int scenario_set(struct scenario *scenario, char *assignment, char *why);

#endif
