/* A mail server on a machine, in virtual time, event by event. It has sessions that wait for a
 * slot, cost CPU, wait for a group commit, hold memory, and think in between; a filter behind the
 * queue; processes that must be forked. Deterministic for a seed. sense.h decides what sensors and
 * fronts see of it. */
#ifndef PENSTOCK_SIM_PLANT_H
#define PENSTOCK_SIM_PLANT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/counts.h"
#include "core/greeting_times.h"
#include "core/overtaken.h"
#include "penstock-sim/clairvoyant.h"
#include "penstock-sim/cpu.h"
#include "penstock-sim/queue.h"
#include "penstock-sim/ring.h"

#define PLANT_NO_MESSAGE UINT32_MAX /* a session without a message that traffic.c follows */

struct plant_config {
	double cores; /* that the server can use */
	double machine_cores;
	double cost_s; /* CPU of a message of mean size, without the filter */
	double lookup_s,
		/* this share of the sessions waits so long for a remote service, without any
		 * load */
		lookup_share;
	/* number of clients whose sessions look as if the server owed them an answer, and do not
	 * end; they are busy until they are stuck (core/overtaken.h) */
	double stalled;
	/* a filter before the queue, on another machine: its time for a message, the share of the
	 * messages that it gets, and how many it works on at once. A message is answered after
	 * that */
	double check_s, check_share, check_slots;
	double check_last; /* 1: it takes the newest message first */
	double think_s; /* the sender's part of a session */
	double think_slow_s, slow_share; /* this share of the senders thinks so long */
	/* duration of a group commit, and what each message adds to it */
	double commit_s, commit_each_s;
	double filter_s,
		filter_slots, /* CPU of the filter behind the queue; how many run at once */
		filter_clients; /* connections of the server to it, at most */
	bool by_group; /* filter and server have the same weight, each as a whole */
	double session_bytes, memory_bytes; /* 0: memory is not short */
	/* 0..1: the random part of a session's memory, which comes with the message */
	double memory_spread;
	double slots, backlog; /* sessions at once; connections that wait for one of them */
	/* CPU of forking a process; how long an idle one is kept */
	double fork_s, idle_s;
	double knee, thrash; /* see cpu.h */
	double reject_s; /* CPU of a refusal */
	/* how long a client waits for its greeting, for an answer */
	double greet_patience_s, done_patience_s;
	/* the longest time at the server and in front of it that counts as good */
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
	/* owed_us: since when the server owes something */
	uint64_t opened_us, until_us, owed_us, left_us;
	double server_s; /* the server's part so far */
	uint64_t stuck_us; /* how long it was overtaken */
	uint64_t asked_us; /* since when it waits for its answer */
	double stuck_s; /* how long it was owed an answer while it was stuck */
	double held_s; /* how long it waited in front of the server before */
	double excess; /* the random part of its memory, 1: mean */
	float size; /* of the message, 1: mean */
	uint32_t message;
	uint32_t generation;
	uint64_t due; /* number of greetings given at which it is overtaken */
	struct ask ask; /* the state when it began to wait for its answer */
	/* in the list of sessions that wait for an answer, or of free ones */
	uint32_t previous, next;
	uint8_t phase, owed; /* owed: 0: it is the client's turn; else enum plant_owed */
	bool gone, slow; /* gone: the client has left, and the server finds out when it answers */
};

/* OVERTAKEN: it waits for a greeting, and later sessions got theirs. STUCK: it waits for an answer.
 * See core/overtaken.h. */
enum plant_owed {
	OWED_NOTHING,
	OWED_GREETING,
	OWED_ANSWER,
	OWED_OVERTAKEN,
	OWED_STUCK,
	OWED__COUNT
};

/* Sessions that the server owes an answer, the oldest first. */
struct plant_list {
	uint32_t first, last, count;
};

enum plant_end { END_DELIVERED, END_KILLED, END_GAVE_UP, END_LATE, END_DROPPED };

struct plant {
	struct plant_config config;
	struct cpu_config cpu_config;
	struct cpu cpu;
	struct queue *queue;
	uint32_t tag; /* added to the kind of its events, to distinguish hosts */
	uint64_t now_us, random;
	struct plant_session *session; /* [0] is no session */
	uint32_t sessions, room, free, in_flight;
	struct plant_list owed[OWED__COUNT];
	struct greetings greetings;
	struct greeting_times greeting_times;
	struct answers answers;
	struct ask stalled_ask; /* of the last stalled one */
	uint64_t stalled_us; /* when there were more stalled sessions than before */
	double stalled; /* the number at that time */
	bool stuck; /* the stalled sessions count as stuck */
	struct ring accept; /* sessions that wait for a slot */
	struct ring to_check; /* messages that wait for the filter before the queue */
	unsigned checks; /* messages that it works on now */
	unsigned in_slots;
	double processes; /* how many exist */
	uint64_t processes_us;
	uint32_t *committing, *waiting_commit; /* session ids */
	uint32_t committing_count, waiting_commit_count, committing_room, waiting_commit_room;
	uint32_t filters, filter_queue;
	double filter_clock; /* CPU clock at which `filter_ran_s` was last brought up to date */
	/* since the observer cleared them */
	double io_stalled_s, mem_stalled_s, filter_ran_s;
	uint64_t cleared_us, busy_us_at;
	/* counters */
	struct counts_service counts;
	uint64_t oom_kills, dropped, in_time, good, filtered;
	/* of the sessions completed since it was last set to 0, with the wait in front */
	double latency_worst_s;
	uint64_t server_time[COUNTS_SLOTS], session_time[COUNTS_SLOTS]; /* histograms, us */
	uint64_t told[COUNTS_SLOTS]; /* the same: connection to refusal */
	/* Called for every session that ends, with its message. */
	void (*ended)(void *who, uint32_t message, enum plant_end end, double server_s);
	void *who;
};

enum plant_event { PLANT_TIMER = 1, PLANT_COMMIT, PLANT_EVENT__COUNT };
#define PLANT_TAG_SHIFT 8
#define PLANT_KIND 0xffu /* bits of an event's kind without the tag */

void plant_init(struct plant *plant, const struct plant_config *config, struct queue *queue,
		uint64_t seed);
void plant_done(struct plant *plant);
/* Applies a change of `config`; the present time is `now_us`. */
void plant_changed(struct plant *plant, uint64_t now_us);
/* Opens an admitted connection, which waited `held_us` in front of the server before. */
void plant_open(struct plant *plant, uint32_t message, float size, uint64_t held_us);
/* When the CPU finishes its next job. */
static inline uint64_t plant_next_us(const struct plant *plant)
{
	return plant->cpu.next_us;
}
/* Notes that a client was refused, `after_us` after it connected. */
static inline void plant_told(struct plant *plant, uint64_t after_us)
{
	plant->told[counts_slot(after_us)]++;
}
void plant_run_cpu(struct plant *plant);
void plant_event(struct plant *plant, const struct queue_event *event);
/* Once a tick: ends sessions of clients that lose patience and those whose greeting the front no
 * longer waits for (`greeting_timeout_us`, 0: it waits), and kills for memory. */
void plant_tick(struct plant *plant, uint64_t greeting_timeout_us, double rejects_per_s);
/* Brings the integrals up to now. */
void plant_settle(struct plant *plant);
void plant_settle_filter(struct plant *plant);
/* Messages a second that the plant can complete at its best. */
double plant_capacity(const struct plant *plant);
/* Fills in what a decider knows that sees the whole plant; all but the arrivals. */
void plant_reveal(const struct plant *plant, struct clairvoyant_tick *ret);
/* Bytes of memory that the sessions hold. */
double plant_memory(const struct plant *plant);
/* Mean time of a session when nothing queues. */
double plant_session_s(const struct plant *plant);
static inline uint32_t plant_ungreeted(const struct plant *plant)
{
	return plant->owed[OWED_GREETING].count;
}
/* How long the oldest session has waited for its greeting. */
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
