/* What the sessions of a proxy share: the plan, the counts, the reports to the daemon, the waiting
 * room, and the limits in force. It knows neither listeners nor start and stop: proxy.c owns it,
 * session.c and its parts use it. */
#ifndef PENSTOCK_PROXY_TALLY_H
#define PENSTOCK_PROXY_TALLY_H

#include <event2/event.h>

#include "config/config.h"
#include "core/greeting_times.h"
#include "core/overtaken.h"
#include "core/room.h"
#include "core/room_debts.h"
#include "proxy/countsfile.h"
#include "proxy/eventsfile.h"
#include "proxy/peers.h"
#include "proxy/planview.h"
#include "proxy/siblings.h"
#include "proxy/sourceview.h"
#include "refuse/faultlog.h"
#include "refuse/refusals.h"

#define TALLY_SCRATCH 65536

struct session;

struct tally {
	struct config config;
	unsigned service; /* index in `config` */
	struct event_base *base;
	struct event *held_event; /* made active when a place comes free */
	struct planview plan;
	struct countsfile counts;
	struct eventsfile events;
	unsigned generation; /* of the files of counts and events */
	struct siblings siblings;
	struct sourceview sources;
	struct peers peers; /* sessions in flight by address */
	struct plan_bucket bucket;
	struct greetings greetings;
	/* greetings.given + 1 when a client was last told late of the many who waited; 0: never */
	uint64_t hangs_at;
	struct greeting_times greeting_times;
	struct answers answers;
	struct refusals refusals;
	struct faultlog faultlog;
	struct session *sessions; /* doubly linked, all of them */
	struct session *unheard; /* refused clients that are heard in the next turn */
	bool takes_turns; /* connections are accepted in turns (acceptor.c) */
	unsigned session_count;
	/* of these, the refused ones; of those, the ones in dialogue: the others got 421 and are
	 * closed soon */
	unsigned refused, lingering;
	struct room room; /* sessions that wait for a place */
	struct room_debts debts; /* sources that are owed a place */
	struct room_debts told_late; /* sources that the daemon was told about already */
	struct peers held_peers; /* waiting clients by address */
	uint64_t full_us; /* when one was last refused for lack of places */
	uint64_t heard_us; /* when the server last said something to any client */
	uint64_t looked_us; /* when this process last ran: at most 100 ms ago while it does */
	/* Since then a plan has limited who is let in, without a break: only waits from then on
	 * count against a client. */
	uint64_t limited_since_us;
	/* Limits in force: front.proxy.connections_max and linger_max, or what the descriptors
	 * allow if that is less; how many may wait in the room; and how many that got 421 may stay
	 * until they have read it. */
	unsigned connections_max, linger_max, held_max, closing_max;
	uint64_t busy_since_us; /* the integral of busy is complete up to here */
	bool draining; /* the proxy stops */
	bool backend_full; /* a UNIX socket with a full accept queue; until the next tick */
	/* by a reload: its address, or its PROXY header; until the next tick */
	bool backend_changed;
	char scratch[TALLY_SCRATCH]; /* one read at a time */
};

/* For `config`, whose service is in it. 0 or -ENOMEM. */
int tally_open(struct tally *tally, const struct config *config, uint64_t now_us);
void tally_close(struct tally *tally);
/* Call it after `config` has changed. */
void tally_configured(struct tally *tally);
/* Makes new files of counts and events, of the next free generation. 0 or -ENOMEM. */
int tally_open_counts(struct tally *tally);
/* Counts a fault and logs it once a minute. `detail` may be NULL. */
void tally_fault(struct tally *tally, enum fault fault, uint64_t now_us, const char *detail);

static inline struct counts_service *tally_counts(struct tally *tally)
{
	return &tally->counts.counts->service[COUNTSFILE_BLOCK];
}

#endif
