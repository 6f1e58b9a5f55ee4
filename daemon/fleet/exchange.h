/* The process without privilege that talks to the store (exchange_wire.h), as penstockd sees it.
 * The process gets the sealed messages of this host, and passes on those of the others, which are
 * opened here. For each connection it gets a socket from penstockd, with the password and the TLS
 * files of that moment. If it crashes, hangs, lies or is taken over by an attacker, it is started
 * again, and no tick waits for it. Everything has a limit: with a slow store, changes stay with the
 * caller; a store that sends too much is read more slowly. */
#ifndef PENSTOCK_FLEET_EXCHANGE_H
#define PENSTOCK_FLEET_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/fleet.h"
#include "fleet/exchange_wire.h"

struct exchange;

struct exchange_state {
	bool up; /* the process runs, or has not been started yet */
	bool connected; /* the last round succeeded */
	bool caught_up; /* everything that was in the store has been read once */
	char server[128]; /* the one in use, or tried last; empty: none yet */
	char why[EXCHANGE_WHY]; /* why it is not connected, as a clause */
	uint64_t restarts; /* of the process */
	uint64_t failures;
	/* bad: not a message of a fleet, damaged, or made with another key */
	uint64_t messages_sent, messages_read, bytes_read, messages_bad;
	uint64_t records_sent, records_read;
	uint64_t round_us; /* duration of the last complete round */
};

/* The contents of one message; valid until the next call. */
struct exchange_heard {
	const struct fleet_record *record;
	unsigned records;
	const struct fleet_host *host; /* NULL: none */
};

/* `key` seals the messages; `id` identifies this process. Starts nothing yet. 0 or -ENOMEM. */
int exchange_open(const struct config_fleet *config, const struct siphash_key *key, uint64_t id,
		  struct exchange **ret_exchange);
/* Once a tick: starts and ends the process, and gives it a socket if it needs one. */
void exchange_step(struct exchange *exchange, uint64_t now_us);
/* The next message of the process. False: there is none now. */
bool exchange_hear(struct exchange *exchange, struct exchange_heard *ret);
/* How many records it can take now. */
unsigned exchange_room(const struct exchange *exchange);
/* Adds records, at most exchange_room(). They are kept until they have been written to the
 * store. */
void exchange_give(struct exchange *exchange, const struct fleet_record *records, unsigned count);
/* Reports the present state of this host. */
void exchange_host(struct exchange *exchange, const struct fleet_host *host);
/* Drops the records that wait to be sent, and has another process read all that is in the store.
 * Does not wait: exchange_step() notes the end of the present one. `why`: a clause for the log. */
void exchange_restart(struct exchange *exchange, const char *why);
const struct exchange_state *exchange_state(const struct exchange *exchange);
/* NULL is fine. May wait for HELPER_LEAVE_US, so no tick calls it. */
void exchange_close(struct exchange *exchange);

/* For the fuzzer: penstockd's side of the channel gets one message of the process. 0, or -EBADMSG:
 * the process never sends that. */
int exchange_take(struct exchange *exchange, const void *bytes, size_t length,
		  struct exchange_heard *ret);

#endif
