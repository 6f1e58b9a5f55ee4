/* Gives the SMTP probe the sessions that were open before it was loaded (after a restart of
 * penstockd): once, from a dump of sock_diag. The probe connects them with their sockets at the
 * next segment, or removes them at their end. */
#ifndef PENSTOCK_KERNEL_SMTP_SEED_H
#define PENSTOCK_KERNEL_SMTP_SEED_H

#include "shared.h"

struct smtp_bpf;
struct smtp_seeding;

/* Before load: counts them, and makes room. `ports`: SMTP_PORTS of them by slot, 0: none. NULL:
 * sock_diag is not available, and the count begins at 0. */
struct smtp_seeding *smtp_seeding_begin(struct smtp_bpf *bpf, int netns_fd, const uint16_t *ports);
/* Between load and attach: enters the sessions that are open now. From then on the probe sees the
 * end of each. */
void smtp_seeding_put(struct smtp_seeding *seeding);
/* After attach: removes sessions that ended unseen in between. Returns how many sessions were taken
 * over. */
unsigned smtp_seeding_settle(struct smtp_seeding *seeding);
void smtp_seeding_free(struct smtp_seeding *seeding);

#endif
