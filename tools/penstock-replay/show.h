/* Ticks of a replay for people and for programs. */
#ifndef PENSTOCK_REPLAY_SHOW_H
#define PENSTOCK_REPLAY_SHOW_H

#include <stdio.h>

#include "penstock-replay/replay.h"

void show_columns(FILE *out);
void show_tick(FILE *out, const struct replay *replay, const struct replay_tick *tick);
void show_json(FILE *out, const struct replay *replay, const struct replay_tick *tick);
/* Every answer that differs: its name, recorded, replayed; at most so many. */
void show_differences(FILE *out, const struct replay *replay, const struct replay_tick *tick,
		      unsigned most);
/* What else happens: orders, configurations, what is lost. Nothing for the rest. `json`: an object
 * a line. */
void show_record(FILE *out, const struct replay *replay, const struct trace_record *record,
		 bool json);

#endif
