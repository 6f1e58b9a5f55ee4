/* The responder of the gate and its stand-in, as the configuration wants them. */
#ifndef PENSTOCK_FRONT_GATE_RESPONDER_H
#define PENSTOCK_FRONT_GATE_RESPONDER_H

#include "config/config.h"
#include "front/responder.h"
#include "front/standin.h"
#include "kernel/gate.h"

/* Fills in what can change while the responder runs. */
void gate_responder_manner(const struct config *config, unsigned service,
			   struct responder_manner *ret);
/* `netns_fd`: of the mail server. `gate`: where the gate will stand once it is open; the
 * responder's thread reads it, so it is written atomically. 0, or -errno with `why` (256). */
int gate_responder_open(const struct config *config, unsigned service, int netns_fd,
			struct gate **gate, struct responder **ret, char *why);
/* Logs a failure: the gate works without a stand-in, and clients that come while penstockd hangs
 * wait longer. */
void gate_responder_standin(const struct config_service *service, const struct responder *responder,
			    struct standin **ret);

#endif
