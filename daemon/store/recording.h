/* daemon.record: passes the inputs and answers of the engine to the recorder (store/recorder.h),
 * which writes them for penstock-replay. While nothing is recorded, every call is cheap and does
 * nothing. Two files share daemon.record_max: a full one becomes FILE.1, and another begins. */
#ifndef PENSTOCK_STORE_RECORDING_H
#define PENSTOCK_STORE_RECORDING_H

#include <stdint.h>

#include "config/config.h"
#include "core/engine.h"
#include "core/source.h"

struct recording;

/* Records `engine` and `table` (NULL: there is none). They and `config` stay the caller's and must
 * outlive the recording. 0 or -ENOMEM. If nothing can be recorded, that is logged and is no
 * error. */
int recording_open(const struct config *config, const struct engine *engine,
		   const struct source_table *table, struct recording **ret_recording);
/* Waits for the disk, two seconds at most. NULL is fine. */
void recording_close(struct recording *recording);
/* Takes a changed configuration (at the same address), which the engine has already. If
 * daemon.record or record_max changed, a new file begins. */
void recording_configure(struct recording *recording, const struct config *config);

/* Once a tick: the first before engine_step(), the second when the plan is complete. */
void recording_inputs(struct recording *recording, const struct sample *sample,
		      const struct load *load, uint64_t realtime_us);
void recording_answer(struct recording *recording, const struct plan *plan);
/* Takes the events that the table of sources gets. */
void recording_events(struct recording *recording, const struct source_event *events,
		      unsigned count, uint64_t now_us);
/* Call it after engine_order() and engine_set_mode(). */
void recording_state(struct recording *recording, enum engine_state state, uint64_t until_us);
void recording_mode(struct recording *recording, enum plan_mode mode);

#endif
