/* The thread that talks to the store: it writes what this host has to say, and reads what the
 * others say, once a second. The daemon's loop only leaves and fetches data here, under a lock that
 * is held for a copy; where it is taken the loop comes again with the next tick. Everything is
 * bounded: a store that is slow leaves changes with the daemon, one that sends too much is read
 * slower. */
#ifndef PENSTOCK_FLEET_EXCHANGE_H
#define PENSTOCK_FLEET_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/fleet.h"

#define EXCHANGE_WHY 256

struct exchange;

struct exchange_state {
	bool connected; /* the last round succeeded */
	bool caught_up; /* everything that was in the store has been read once */
	char server[128]; /* the one in use, or tried last */
	char why[EXCHANGE_WHY]; /* a clause: why it is not connected */
	uint64_t rounds, failures;
	uint64_t messages_sent, messages_read, bytes_read,
		messages_bad; /* bad: not one of ours, damaged, or of another key */
	uint64_t records_sent, records_read;
	uint64_t round_us; /* that the last whole round took */
};

/* `key` seals; `id` is this process. Starts the thread. 0 or -errno with a clause in `why`
 * (EXCHANGE_WHY). */
int exchange_open(const struct config_fleet *config, const struct siphash_key *key, uint64_t id,
		  struct exchange **ret_exchange, char *why);
/* What fits is taken; returns how many. */
unsigned exchange_room(struct exchange *exchange);
unsigned exchange_give(struct exchange *exchange, const struct fleet_record *records,
		       unsigned count);
/* How this host is now. */
void exchange_host(struct exchange *exchange, const struct fleet_host *host);
/* What others said, each once. Returns how many. */
unsigned exchange_take(struct exchange *exchange, struct fleet_record *ret, unsigned most);
unsigned exchange_take_hosts(struct exchange *exchange, struct fleet_host *ret, unsigned most);
/* False: not now. */
bool exchange_state(struct exchange *exchange, struct exchange_state *ret);
/* Ends the thread within moments. NULL is fine. */
void exchange_close(struct exchange *exchange);

#endif
