/* Prints ticks of a replay, as text or as JSON. */
#ifndef PENSTOCK_REPLAY_SHOW_H
#define PENSTOCK_REPLAY_SHOW_H

#include <stdio.h>

#include "penstock-replay/replay.h"

void show_columns(FILE *out);
void show_tick(FILE *out, const struct replay *replay, const struct replay_tick *tick);
void show_json(FILE *out, const struct replay *replay, const struct replay_tick *tick);
/* Prints the answers that differ, at most so many: name, recorded, replayed. */
void show_differences(FILE *out, const struct replay *replay, const struct replay_tick *tick,
		      unsigned most);
/* Prints other events: orders, configurations, losses. Prints nothing for other records. `json`:
 * one object a line. */
void show_record(FILE *out, const struct replay *replay, const struct trace_record *record,
		 bool json);

#endif
