/* Level and state changes as structured journal entries (or lines on stderr), each with a MESSAGE_ID that stays. */
#ifndef PENSTOCK_PUBLISH_JOURNAL_H
#define PENSTOCK_PUBLISH_JOURNAL_H

#include "publish/status.h"

#define JOURNAL_LEVEL_ID "6d1f0f1f2c5b4b0c9a3e5b7f4e0c7a11"
#define JOURNAL_STATE_ID "b2a94f6de8f94c3c8f5a1e2d7c6b0d22"
#define JOURNAL_FOREIGN_ID "0e7a5f1c9b3d4c6fa1d82b6e4f9c3333"
#define JOURNAL_LEAK_ID "5a8c2e7741f64d03b1e0946fd3b75555"
#define JOURNAL_INFEASIBLE_ID "3d9b7c51e0624f8a8c1f5e6a7b905555"
#define JOURNAL_DAY_ID "a81e42d7c3f94b06b5d09f3c1e7a6666"
#define JOURNAL_SENSOR_ID "f41c3b8e5d2a47b6930e7c5a2b8d4444"

/* Writes what differs between the picture of the last tick and the engine now. */
void journal_publish(const struct status *previous, const struct engine_view *now,
		     uint64_t realtime_us);
/* Who presses without being mail, when that begins or is another; who leaks, before it bites. Notes in `status` what was said. */
void journal_neighbours(struct status *status, const struct engine_view *now,
			const struct neighbours *neighbours, uint64_t now_us);
/* Tells when the sensor's state is another than before. */
void journal_sensor(enum sensor_state before, const struct sensor_status *now);

#endif
