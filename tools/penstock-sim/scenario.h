/* A scenario as text: a plant, what changes when, and what must be seen. See penstock-sim --help for the language. */
#ifndef PENSTOCK_SIM_SCENARIO_H
#define PENSTOCK_SIM_SCENARIO_H

#include "penstock-sim/plant.h"

#define SCENARIO_EVENTS 256
#define SCENARIO_NAME 40

enum event_kind { EVENT_SET, EVENT_RAMP, EVENT_SIGNAL, EVENT_ORDER, EVENT_EXPECT };

struct event {
	enum event_kind kind;
	unsigned line;
	double at_s, over_s; /* over: of a ramp, or back in time for an expectation */
	char name[SCENARIO_NAME];
	double value, from;
	char operator[3]; /* of an expectation */
	char text[96]; /* as written */
	bool done;
};

struct scenario {
	struct plant_config plant;
	double end_s;
	unsigned events;
	struct event event[SCENARIO_EVENTS];
};

/* Reads one line. 0, or -EINVAL with a sentence in `why` (128). */
int scenario_line(struct scenario *scenario, unsigned number, char *line, char *why);
void scenario_init(struct scenario *scenario);

#endif
