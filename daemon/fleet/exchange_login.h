/* What the process of the fleet needs to log in to a store, and may not open itself. */
#ifndef PENSTOCK_FLEET_EXCHANGE_LOGIN_H
#define PENSTOCK_FLEET_EXCHANGE_LOGIN_H

#include "config/config.h"
#include "fleet/exchange_wire.h"

/* Reads the password into `login`, connects to this server of the configuration, and opens the
 * files of TLS. Returns the number of descriptors, or -errno with a sentence in `login->why`.
 * Descriptors that were opened are in `fds` (EXCHANGE_FILES) and belong to the caller; the others
 * stay as they are. */
int exchange_open_login(const struct config_fleet *config, uint32_t server,
			struct exchange_login *login, int *fds);

#endif
