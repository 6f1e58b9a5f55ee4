/* Into the picture of a tick: what fronts and sensors have to show. */
#ifndef PENSTOCK_CAPTURE_H
#define PENSTOCK_CAPTURE_H

#include "front/remote.h"
#include "pace.h"
#include "publish/status.h"

/* Every proxy, living and gone; begins the list of fronts. */
void capture_fronts(struct status *status, const struct remote *remote);
/* One of the daemon's own fronts joins it. */
void capture_front(struct status *status, const struct counts *counts, bool up, const char *why);
/* Once a tick: a sensor that changed its state since the last one is told to the journal. */
void note_sensors(struct status *status, const struct registry *registry);
/* All sensors, disks, neighbours. */
void capture_sensors(struct status *status, const struct registry *registry);
/* When ticks come. NULL: not yet. */
void capture_pace(struct status *status, const struct pace *pace);

#endif
