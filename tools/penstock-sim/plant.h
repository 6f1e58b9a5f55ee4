/* A mail server on a machine, in virtual time, event by event: sessions that wait for a slot, cost
 * CPU, wait for a group commit, hold memory, and think in between; a filter behind the queue;
 * processes that must be forked. Deterministic for a seed. sense.h decides what sensors and fronts
 * see of it. */
#ifndef PENSTOCK_SIM_PLANT_H
#define PENSTOCK_SIM_PLANT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/counts.h"
#include "core/overtaken.h"
#include "penstock-sim/clairvoyant.h"
#include "penstock-sim/cpu.h"
#include "penstock-sim/queue.h"
#include "penstock-sim/ring.h"

#define PLANT_NOBODY UINT32_MAX /* a session without a message that traffic.c follows */

struct plant_config {
	double cores; /* that the server can use */
	double machine_cores;
	double cost_s; /* CPU a message of mean size, without the filter */
	double lookup_s,
		/* this share of the sessions waits so long for a remote service, without any
		 * load */
		lookup_share;
	/* sessions of clients that look as if the server owed them an answer, and stay: busy until
	 * they are stuck (core/overtaken.h) */
	double stalled;
	/* a filter before the queue: it works so long on this share of the messages, on another
	 * machine, and on so many at once; only then they are answered */
	double check_s, check_share, check_slots;
	double check_last; /* 1: it takes the message that came last first */
	double think_s; /* the sender's part of a session */
	double think_slow_s, slow_share; /* this share of the senders thinks so long */
	/* a group commit takes so long, and so much more a message in it */
	double commit_s, commit_each_s;
	double filter_s,
		filter_slots, /* CPU of the filter behind the queue; how many run at once */
		filter_clients; /* connections of the server to it, at most */
	double session_bytes, memory_bytes; /* 0: memory is not short */
	/* 0..1: so much of a session's memory is chance, and comes with the message */
	double memory_spread;
	double slots, backlog; /* sessions at once; connections that wait for one of them */
	/* CPU of a process that must be made; how long an idle one is kept */
	double fork_s, idle_s;
	double knee, thrash; /* see cpu.h */
	double reject_s; /* CPU of a refusal */
	/* how long a client waits for its greeting, for an answer */
	double greet_patience_s, done_patience_s;
	/* the server's part of a session, and the wait in front, that still count as good */
	double objective_s;
};

enum plant_phase {
	PHASE_FREE,
	PHASE_QUEUED,
	PHASE_LOOKUP,
	PHASE_GREET,
	PHASE_THINK,
	PHASE_WORK,
	PHASE_TO_CHECK,
	PHASE_CHECK,
	PHASE_COMMIT,
	PHASE_LINGER
};

struct plant_session {
	uint64_t opened_us, until_us, owed_us, left_us; /* owed: since when the server owes */
	double server_s; /* the server's part so far */
	uint64_t stuck_us; /* in which it was overtaken */
	uint64_t asked_us; /* since when it waits for its answer */
	double stuck_s; /* an answer was owed, and it was stuck */
	double held_s; /* in front of it, before */
	float size; /* of the message, 1: mean */
	uint32_t message;
	uint32_t generation;
	uint64_t due; /* how many greetings are given when it is overtaken */
	struct ask ask; /* since when it waits for its answer */
	uint32_t previous, next; /* in the list of those that wait for an answer, or free */
	uint8_t phase, owed; /* owed: 0 the client's turn, else enum plant_owed */
	bool gone, slow; /* the client has left; the server finds out when it gets there */
};

/* OVERTAKEN: a greeting, and others who came later were given theirs; STUCK: an answer.
 * core/overtaken.h */
enum plant_owed {
	OWED_NOTHING,
	OWED_GREETING,
	OWED_ANSWER,
	OWED_OVERTAKEN,
	OWED_STUCK,
	OWED__COUNT
};

/* Sessions to which an answer is owed, the oldest first. */
struct plant_list {
	uint32_t first, last, count;
};

enum plant_end { END_DELIVERED, END_KILLED, END_GAVE_UP, END_LATE, END_DROPPED };

struct plant {
	struct plant_config config;
	struct cpu_config cpu_config;
	struct cpu cpu;
	struct queue *queue;
	uint32_t tag; /* added to the kind of its events, to show whose they are */
	uint64_t now_us, random;
	struct plant_session *session; /* [0] is no session */
	uint32_t sessions, room, free, in_flight;
	struct plant_list owed[OWED__COUNT];
	struct greetings greetings;
	struct answers answers;
	struct ask stalled_ask; /* of the last stalled one */
	uint64_t stalled_us; /* when there were more stalled sessions than before */
	double stalled; /* so many */
	bool stuck; /* the stalled ones */
	struct ring accept; /* wait for a slot */
	struct ring to_check; /* wait for the filter before the queue */
	unsigned checks; /* that it does now */
	unsigned in_slots;
	double processes; /* that exist */
	uint64_t processes_us;
	uint32_t *committing, *waiting_commit; /* session ids */
	uint32_t committing_count, waiting_commit_count, committing_room, waiting_commit_room;
	uint64_t committing_since_us;
	uint32_t filters, filter_queue;
	double filter_clock; /* of the CPU, when `filter_ran_s` was brought up to date */
	/* since the observer cleared them */
	double io_stalled_s, mem_stalled_s, filter_ran_s;
	uint64_t cleared_us, busy_us_at;
	/* counters */
	struct counts_service counts;
	uint64_t oom_kills, dropped, in_time, good, filtered;
	/* of the completed since it was last set to 0, with the wait in front */
	double latency_worst_s;
	uint64_t server_time[COUNTS_SLOTS], session_time[COUNTS_SLOTS]; /* histograms, us */
	uint64_t told[COUNTS_SLOTS]; /* the same: connection to refusal */
	/* Called for every session that ends, with its message. */
	void (*ended)(void *who, uint32_t message, enum plant_end end, double server_s);
	void *who;
};

enum plant_event { PLANT_TIMER = 1, PLANT_COMMIT, PLANT_EVENT__COUNT };
#define PLANT_TAG_SHIFT 8
#define PLANT_KIND 0xffu /* of an event, without the tag */

void plant_init(struct plant *plant, const struct plant_config *config, struct queue *queue,
		uint64_t seed);
void plant_done(struct plant *plant);
/* Makes a change of `config` take effect; the present time is `now_us`. */
void plant_changed(struct plant *plant, uint64_t now_us);
/* A connection that was admitted, after it was kept waiting in front of the server for
 * `held_us`. */
void plant_open(struct plant *plant, uint32_t message, float size, uint64_t held_us);
/* When the CPU finishes its next job. */
static inline uint64_t plant_next_us(const struct plant *plant)
{
	return plant->cpu.next_us;
}
/* A client was refused, so long after it connected. */
static inline void plant_told(struct plant *plant, uint64_t after_us)
{
	plant->told[counts_slot(after_us)]++;
}
void plant_run_cpu(struct plant *plant);
void plant_event(struct plant *plant, const struct queue_event *event);
/* Every tick: clients that lose patience, greetings that the front no longer waits for
 * (`greeting_timeout_us`, 0: it waits), killing. */
void plant_tick(struct plant *plant, uint64_t greeting_timeout_us, double rejects_per_s);
/* Brings the integrals up to now. */
void plant_settle(struct plant *plant);
void plant_settle_filter(struct plant *plant);
/* Messages a second that the plant can complete at its best. */
double plant_capacity(const struct plant *plant);
/* The knowledge of a decider that sees the whole plant; fills all but the arrivals. */
void plant_reveal(const struct plant *plant, struct clairvoyant_tick *ret);
/* Bytes that the sessions hold. */
double plant_memory(const struct plant *plant);
/* How long a session takes when nothing queues, in the mean. */
double plant_session_s(const struct plant *plant);
static inline uint32_t plant_ungreeted(const struct plant *plant)
{
	return plant->owed[OWED_GREETING].count;
}
/* How long the oldest of them waits. */
static inline double plant_oldest_waiting_s(const struct plant *plant)
{
	uint32_t oldest = plant->owed[OWED_GREETING].first;

	return oldest ? (double)(plant->now_us - plant->session[oldest].opened_us) / 1e6 : 0;
}
static inline uint32_t plant_busy(const struct plant *plant)
{
	return plant->owed[OWED_GREETING].count + plant->owed[OWED_ANSWER].count +
	       (plant->stuck ? 0 : (uint32_t)plant->config.stalled);
}
static inline uint32_t plant_stuck(const struct plant *plant)
{
	return plant->owed[OWED_OVERTAKEN].count + plant->owed[OWED_STUCK].count +
	       (plant->stuck ? (uint32_t)plant->config.stalled : 0);
}
static inline uint32_t plant_in_flight(const struct plant *plant)
{
	return plant->in_flight + (uint32_t)plant->config.stalled;
}

#endif
