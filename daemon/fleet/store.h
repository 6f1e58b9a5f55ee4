/* The two streams of a fleet in its store: writes the messages of this host, and reads new ones.
 * For a process that may wait. */
#ifndef PENSTOCK_FLEET_STORE_H
#define PENSTOCK_FLEET_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fleet/answer.h"
#include "fleet/exchange_wire.h"
#include "fleet/redis.h"

#define STORE_READ 64 /* messages of each stream in one answer */

struct store {
	struct redis *redis; /* NULL: not connected */
	const struct exchange_begin *begin;
	bool said; /* a write succeeded on this connection, so the server takes writes */
	bool full; /* the last answer was full: there may be more */
	struct answer_id read[EXCHANGE_STREAMS];
	void (*heard)(void *context, unsigned stream, const uint8_t *bytes, size_t length);
	void *context;
};

/* 0, or -errno with a clause in `why` (REDIS_WHY): the connection cannot be used any more. */
int store_say(struct store *store, enum exchange_stream stream, const uint8_t *bytes, size_t length,
	      char *why);
/* Calls heard() with each message; NULL: it has no bytes. */
int store_listen(struct store *store, char *why);
void store_disconnect(struct store *store);

#endif
