/* Records the run of a scenario as a trace (store/trace.h), as penstockd does for a real
 * machine. */
#ifndef PENSTOCK_SIM_RECORD_H
#define PENSTOCK_SIM_RECORD_H

#include "store/trace.h"

struct record;

/* An existing file is overwritten. 0 or -errno. */
int record_open(const char *path, const struct engine *engine, const struct source_table *table,
		uint64_t now_us, struct record **ret_record);
/* 0, or -errno: something could not be written. NULL is fine here and below. */
int record_close(struct record *record);
void record_order(struct record *record, const struct engine *engine, enum trace_order_kind kind,
		  uint64_t now_us);
/* Notes that the engine was reset. */
void record_restart(struct record *record);
void record_events(struct record *record, const struct source_event *events, unsigned count,
		   uint64_t now_us);
/* Call the first before engine_step(), the second when the plan is complete. */
void record_inputs(struct record *record, const struct engine *engine, const struct sample *sample,
		   const struct load *load);
void record_answer(struct record *record, const struct engine *engine, const struct plan *plan,
		   bool ranked);

#endif
