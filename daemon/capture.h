/* Into the picture of a tick: what fronts and sensors have to show. */
#ifndef PENSTOCK_CAPTURE_H
#define PENSTOCK_CAPTURE_H

#include "front/remote.h"
#include "publish/status.h"

/* All fronts: the policy service's counts (NULL: it is not wanted) and every proxy's, living and gone. */
void capture_fronts(struct status *status, const struct counts *policy, bool policy_up,
		    const char *policy_why, const struct remote *remote);
/* All sensors; one that changed its state since the last picture is told to the journal. */
void capture_sensors(struct status *status, const struct registry *registry);

#endif
