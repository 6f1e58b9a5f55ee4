/* One interface for all laws under test: asked for every connection, stepped every tick. Penstock
 * and the servo are the daemon's own core. The others (peers.c) see only those figures of the plant
 * that the programs see from which they are taken. */
#ifndef PENSTOCK_SIM_LAW_H
#define PENSTOCK_SIM_LAW_H

#include "core/engine.h"
#include "core/room.h"
#include "core/room_debts.h"
#include "core/source.h"
#include "penstock-sim/plant.h"
#include "penstock-sim/senders.h"

enum law_kind {
	SIM_PENSTOCK,
	SIM_SERVO,
	SIM_NONE,
	SIM_SLOTS,
	SIM_AIMD,
	SIM_PIE,
	SIM_GRADIENT2,
	SIM_SEDA,
	SIM_LOADAVG,
	SIM_EVENTLOOP,
	SIM_MEMORY,
	SIM__COUNT
};

/* Settings that an operator would have to choose for the server; set them as law.NAME. */
struct law_params {
	double slots; /* slots: sessions at once */
	double target_s; /* aimd, pie, seda: the wanted time of the server */
	double loadavg; /* loadavg: the threshold for each core */
	double lag_s; /* eventloop */
	double memory; /* memory: the threshold, as a share of all memory */
	double sources; /* penstock, servo: 0: sources are not ranked */
	double ledger_bytes, rate_bytes; /* of the table of sources */
	double warm; /* 0: a restart loses what was learned */
	double staleness; /* 0: fronts ignore the age of the plan */
	double longest_deferral_s, longest_attempts; /* the promise */
};

/* State of the laws that are not penstock's. */
struct peer {
	double admitted_share; /* of arrivals */
	double limit; /* of sessions at once */
	double rate_per_s, tokens; /* a bucket */
	double delay_s, delay_before_s, long_s; /* smoothed */
	double loadavg, lag_s, served_per_s;
	uint64_t finished_before;
	uint64_t server_before[COUNTS_SLOTS], session_before[COUNTS_SLOTS];
	uint64_t refilled_us, sampled_us;
	bool shut;
};

#define LAW_HELD_BY 16384u

struct law {
	enum law_kind kind;
	struct law_params params;
	/* of penstock and the servo; with other laws it only gives the level */
	struct engine engine;
	double memory_ends_s; /* the forecast of the last tick; -1: no end is in sight */
	struct plan plan;
	struct plan_bucket bucket;
	struct peer peer;
	uint64_t random;
	/* Sources: a table, and the events that the fronts report at the next tick. NULL: no source
	 * is ranked. */
	struct source_table *sources;
	struct source_event *event;
	uint32_t events, event_room;
	uint32_t held_by[LAW_HELD_BY]; /* how many wait, by a hash of the address */
	struct room_debts debts;
	struct record *record; /* NULL: none */
	/* For a fleet: called with the events; and CLOCK_REALTIME at which virtual time began. */
	void (*on_events)(void *context, const struct source_event *events, unsigned count,
			  uint64_t now_us);
	void *context;
	uint64_t epoch_us;
};

struct law_request {
	uint64_t now_us;
	uint32_t address; /* IPv4, host order */
	bool ranked; /* the address belongs to a sender */
	uint32_t under_way; /* admitted, and not at the server yet; a front counts these at once */
	/* it waits for a place already, so its source's own limits do not forbid it */
	bool held;
	bool owed; /* its source was owed a place, and this connection has taken that over */
	/* what the table says of the address, once it was asked */
	bool looked_up;
	struct plan_source source;
};

/* `params` may be NULL: defaults. */
void law_init(struct law *law, enum law_kind kind, const struct law_params *params,
	      const struct engine_config *config, const struct senders *senders, uint64_t seed);
void law_done(struct law *law);
/* Reports the end of an admitted connection: refused late, or finished after so much of the
 * server's time. */
void law_tell(struct law *law, uint32_t address, enum source_event_kind kind, uint32_t server_us);
void law_params_default(struct law_params *ret);
/* The verdict on one connection. */
struct verdict law_decide(struct law *law, const struct plant *plant, struct law_request *request);
/* Whether a client with this verdict may wait in the room; then `ret_offer` is filled. Otherwise
 * the verdict is final, and law_settle() gets it. */
bool law_may_wait(struct law *law, struct law_request *request, struct verdict verdict,
		  struct room_offer *ret_offer);
/* The present terms of the room. */
struct room_terms law_terms(const struct law *law);
/* Counts one more waiting client of that address, or one less (-1). */
void law_held(struct law *law, uint32_t address, int change);
/* A source that waited in vain, was refused late, or was refused at once because it would be
 * overtaken, is owed one place. The connection that waits for this place takes the debt over, as in
 * proxy/held.c. */
void law_unowe(struct law *law, uint32_t address, uint64_t now_us);
void law_owe_told(struct law *law, uint32_t address, uint64_t now_us); /* room_owe_told() */
void law_owe(struct law *law, uint32_t address, uint64_t now_us);
/* The answer to a client for which no place became free in time. */
struct verdict law_in_vain(const struct law *law);
void law_settle(struct law *law, const struct law_request *request, struct verdict verdict);
/* One tick of 100 ms. */
void law_tick(struct law *law, const struct plant *plant, struct sample *sample,
	      const struct load *load);
const char *law_name(enum law_kind kind);
enum law_kind law_by_name(const char *name);

/* peers.c */
void peer_init(struct peer *peer, const struct law_params *params, const struct plant *plant);
struct verdict peer_decide(struct law *law, const struct plant *plant, uint64_t now_us);
void peer_tick(struct law *law, const struct plant *plant);

#endif
