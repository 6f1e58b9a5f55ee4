/* The law: how many sessions of one service the machine can carry now. There are two laws behind
 * one interface. The capacity law is for fronts that see completions and the dialogue (proxy; gate
 * with BPF), the pressure servo for those that do not (policy service alone). The head of window.c
 * says what each does and why. Every figure has a name, in window_config or in law.h. */
#ifndef PENSTOCK_CORE_WINDOW_H
#define PENSTOCK_CORE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/load.h"
#include "core/plan.h"
#include "core/pressure.h"
#include "core/sample.h"

enum window_law { LAW_AUTO, LAW_CAPACITY, LAW_SERVO, LAW_OPEN };

/* Parts of the law that the simulator can leave out to show what each is worth. The daemon never
 * leaves one out. X(id, name) */
#define WINDOW_PART_TABLE(X) \
	X(PACING, "pacing") /* the bucket between two ticks */ \
	X(UNGREETED, "ungreeted") /* the bound on sessions that wait for a greeting */ \
	X(LATE, "late") /* refusal of who was admitted and not greeted */ \
	X(PREDICTION, "prediction") /* capacity from the CPU of a job */ \
	X(TRUST, "trust") /* how far the prediction holds */ \
	X(SPREAD, "spread") /* more at the server for the chance of the senders */ \
	X(BASE, "base") /* what a session costs an unloaded server */ \
	X(THINK, "think") /* open sessions are believed before they end */ \
	X(HARD, "hard") /* the cliffs */ \
	X(EXHAUSTION, "exhaustion") /* time to exhaustion */ \
	X(FOREIGN, "foreign") /* load of other programs than mail */ \
	X(GROWTH_FREEZE, "freeze") /* no growth after a sensor was lost */ \
	X(CORES, "cores") /* stalls count as far as the cores are used */ \
	X(DELAY, "delay") /* a T that does not follow the window is no queue */ \
	X(STOP, "stop") /* a server that stops for some seconds loses no capacity */

enum window_part {
#define X(id, ...) WINDOW_PART_##id,
	WINDOW_PART_TABLE(X)
#undef X
		WINDOW_PART__COUNT
};

/* What the machine does, by its saturation: the share of time in which the server's tasks stall. */
enum machine { MACHINE_UNSEEN, MACHINE_IDLE, MACHINE_LOADED, MACHINE_PRESSED, MACHINE_SATURATED };

/* What keeps the server from serving, as bits, since it can be more than one thing. 0: it
 * serves. */
enum server {
	SERVER_SHORT_OF_SLOTS = 1 << 0, /* its accept queue does not empty */
	SERVER_GREETS_LATE =
		1 << 1, /* it delays greetings, and not because of load: a greet wait, DNS lists */
	/* no greeting since the start, and a session has waited very long for one */
	SERVER_NEVER_GREETED = 1 << 2,
	SERVER_HANGS = 1 << 3, /* it completes next to nothing, although there is CPU */
};

/* What the capacity law does with Xcap. X(id, name, sentence) */
#define REGIME_TABLE(X) \
	X(NONE, "none", "the capacity law is not in force") \
	X(FREE, "free", "capacity follows what is predicted") \
	X(CAPPED, "capped", "no growth: a sensor was lost, or an accept queue stands") \
	X(STEADY, "steady", "the machine is loaded and mail is not harmed: capacity stays") \
	X(CLOSING, "closing", "the machine is saturated and mail slow: capacity falls slowly") \
	X(OVER, "over", "the server is over its knee: capacity follows what is completed") \
	X(STOPPED, "stopped", "the server completes nothing for some seconds: capacity stays")

enum regime {
#define X(id, ...) REGIME_##id,
	REGIME_TABLE(X)
#undef X
		REGIME__COUNT
};

/* What the law predicts of Xcap from. */
enum predicted_by {
	PREDICTED_BY_CPU, /* of a job */
	PREDICTED_BY_GUESS, /* of that, before enough jobs were seen */
	PREDICTED_BY_STEPS, /* of what is completed, since no CPU figure is known */
	PREDICTED_BY_DISK, /* what its stalls allow is less than any of these */
};

struct prediction {
	double per_s; /* completions, before trust is applied; -1: the law is not in force */
	double cores; /* that the MTA may use */
	enum predicted_by by;
};

/* Where Xcap goes in this tick. */
struct heading {
	double per_s;
	double time_s; /* 63 % of the way in so long; 0: it stays */
	double least_per_s; /* but it is never below */
};

struct window_config {
	enum window_law law; /* AUTO: chosen by what the load shows */
	double cores; /* that the MTA may use */
	uint32_t min; /* W is never below, default 4 */
	uint32_t max; /* W is never above: .95 of the server's slots; 0: not known */
	double banner_objective_us; /* for the greeting, on top of the learned unloaded time */
	/* a sender may wait so long for its place before it is refused */
	double wait_objective_us;
	double memory_reserve_bytes; /* memory that the hard limit leaves free */
	double disk_reserve_bytes;
	double session_memory_bytes; /* 0: learned */
	uint32_t without; /* parts left out: bits 1 << enum window_part */
};

/* What the law has learned and a restart should not lose. 0: not learned. Plain data, which the
 * caller stores. */
struct window_warm {
	double capacity_per_s; /* Xcap */
	double cpu_per_job_s; /* D */
	double time_base_s; /* unloaded part of T */
	double think_time_s; /* Z */
	double session_bytes; /* memory a session */
	double trust;
};

struct window_input {
	uint64_t now_us;
	double dt_s; /* measured */
	const struct sample *sample;
	const struct pressure *pressure;
	const struct load_service *load;
	double connect_220_base_us; /* time to the greeting without load, learned */
	/* rate at which the queue behind the server allows jobs (backlog.h, second_stage.h); 0 or
	 * less: any */
	double queue_allowed_per_s;
	bool blind; /* no sensor works */
};

struct window_view {
	enum window_law law; /* in force: CAPACITY, SERVO or OPEN (nothing known to act on) */
	enum regime regime; /* of the capacity law */
	enum machine machine;
	uint32_t server; /* bits of enum server */
	double window; /* W; as in the plan */
	double hard; /* W_hard; -1: none known */
	double capacity_per_s; /* Xcap; -1: not known */
	/* Places that come free, a second: Xcap, or less where a cliff or the queue behind binds;
	 * -1: not known */
	double passing_per_s;
	double completed_per_s, offered_per_s, admitted_per_s;
	double server_time_s; /* T, and no more than can have passed; -1: not known */
	double target_time_s; /* Tt */
	/* how long a sender may wait for its place: long while no queue stands */
	double patience_s;
	double think_time_s; /* Z */
	double unloaded_s; /* T0: what a session costs the server without any load */
	/* Xcap (Tt + T0 + Z), before the least window and the hard limit are applied; -1: the
	 * capacity law is not in force. */
	double equation;
	double saturation; /* 0..1; -1: not known */
	double cpu_per_job_s; /* D; -1: not known */
	struct prediction prediction;
	/* the share of the prediction that the server has proven to complete, 0..1; -1: the
	 * capacity law is not in force */
	double trust;
	double completed_lag_per_s; /* completions, smoothed over the lag of an admission */
	struct heading heading;
	bool refusing; /* something was refused lately */
	bool foreign; /* the pressure is not mail's */
	bool hard_binds; /* W is W_hard */
	bool queue_binds; /* the queue behind the server sets the rate, queue_allowed_per_s */
	bool lets_in; /* a few sessions are let in although the window is full: see unloaded.c */
	bool growth_frozen; /* an input was lost: see growth_freeze.c */
	double queue_allowed_per_s; /* -1: the queue sets no rate */
	enum reason reason; /* given when a limit is met */
};

/* What is learned and smoothed, one struct for each noun. Only the file named at a struct writes to
 * it. */

/* saturation.c: how saturated the MTA's part of the machine is. */
struct saturation {
	double share; /* smoothed, 0..1; -1: not known */
};

/* rates.c: what arrives and what ends, a second, smoothed. */
struct rates {
	struct load_service last;
	bool primed; /* `last` holds the counters of the tick before */
	double offered, admitted;
	double completed, completed_slow;
	double busy;
	double done, done_time; /* sessions that ended, and the sum of their server time */
	double few, few_time; /* the same, of the last ENDED_JOBS sessions or so */
	double jobs; /* completed since the start */
	uint64_t refused_us; /* when something was last refused; 0: never */
};

/* unloaded.c: what a session costs the server while nothing queues: T0. */
struct unloaded {
	double time_s; /* the larger of rest_s and the time of commit.c */
	double rest_s; /* learned while nothing queues */
	bool seen;
};

/* delay.c: whether T is a delay, and no queue. */
enum delay_onset { DELAY_NOT_SEEN, DELAY_GREW, DELAY_JUMPED }; /* how T became long */
struct delay {
	double alone_s; /* for so long nothing but T has told of an overload */
	double short_s, short_per_s; /* while T was not long: T0, and the completions a second */
	double long_s; /* for so long T is long; 0: it is not */
	enum delay_onset onset;
	double looked_s, looked_time_s; /* the last look at T: long_s, and T then */
	/* since T became long: the most busy sessions, the longest T of ended sessions, and for how
	 * long clearly fewer sessions have been busy */
	double busy_most, time_most, fewer_s;
	/* T that is on probation, T0 and the completions a second before */
	double time_s, before_s, completed; /* before_s 0: there is none */
	double since_s; /* since the last probation began; below 0: a pause after one that failed */
	bool doubted; /* a long T has to show that it is no queue */
	double well_s; /* for so long T was not long and no client was refused */
};

/* commit.c: the part of a disk's time that does not grow with the number of busy sessions. */
struct commit {
	double time_s;
	double busy; /* busy sessions, smoothed over several commits */
	double seen_s; /* time since the disk or the load changed */
	/* regression of T on the busy sessions */
	double busy_mean, time_mean, variance, covariance;
};

/* capacity.c: what a job costs. */
struct job {
	double cpu, io; /* CPU use and I/O stall of the MTA, smoothed */
	double completed; /* a second, smoothed alike */
	double cost; /* D, CPU seconds: the last known value */
};

/* capacity.c: Xcap. */
struct capacity {
	double per_s;
	double trust; /* the share of the prediction that the server has proven to complete, 0..1 */
	double lag_s; /* a decision of the law shows in the completions after this time */
	double completed_lag; /* completions a second, smoothed over that time */
	struct heading heading;
};

/* stop.c: whether the server stops for some seconds. */
struct stop {
	double nothing_s; /* how long nothing has been completed, also because no client came */
	double waits_s; /* of that, how long at least three sessions have waited */
	bool shows; /* that is a stop */
	/* how long it has stopped, less what it served since then; and the most of that */
	double stopped_s, most_s;
	double longest_s; /* the longest stop after which the server went on */
	/* what was known at the last completion; time_s: of a session at the server */
	double time_s;
	struct capacity capacity;
	struct job job;
};

/* regime.c: whether the server is over its knee, the load above which more sessions only take
 * longer. */
struct knee {
	double over_s; /* how long the server has been over it without a break */
};

/* think.c: Z. */
struct think {
	/* sums, smoothed: time in which sessions waited for their senders, and completions, a
	 * second */
	double sum, jobs;
	double guess; /* what the previous run had learned */
	double open; /* what sessions that have not ended add */
};

/* patience.c: how long clients may wait in front of the server. */
struct patience {
	double offered; /* connections a second, quickly smoothed */
	double lasts_s; /* how long more has been offered than the server can complete */
	double excess_s; /* how much more in all, in seconds of capacity */
	double full_s; /* how long the window has been full without a break */
	double room_s; /* how long clients have waited long, and been refused, without a break */
};

/* A quantity, smoothed once and twice: the difference shows how fast it falls. */
struct fall {
	double mean, lag;
};

/* hard.c: the memory of a session, by regression of the MTA's memory on the sessions in flight. */
struct memory {
	double flight_mean, memory_mean, variance, covariance, per_session;
	bool learned; /* per_session is no guess */
	double available; /* bytes */
	double available_idle; /* what would be free without any session */
	/* the same; what is free now; and that with what the server uses */
	struct fall idle, free, left;
	double idle_variance; /* bytes^2: variance by chance */
	double limit; /* of the server's control groups, at the last reading; 0: none */
	bool idle_seen;
	double carried; /* sessions that the last reading allows; 0: not known */
	double missed_s; /* how old that reading is */
	bool primed;
};

/* growth_freeze.c: the window must not grow before `until_us`; 0 once all lost inputs are back.
 * Bits of inputs: `seen` in the last tick, `lost` those that were seen earlier and not since. */
struct growth_freeze {
	uint64_t until_us;
	uint32_t seen, lost;
};

/* servo.c */
struct servo {
	double window;
};

/* server.c */
struct greeting {
	bool never; /* a session has waited too long since the start, and no greeting was seen */
	double usual_s; /* how long sessions wait for it while clients are not refused */
};

/* foreign.c */
struct foreign {
	/* since when other programs cause the pressure; 0: mail causes it, or there is none */
	uint64_t since_us;
};

struct window {
	struct window_config config;
	struct window_view view;
	struct saturation saturation;
	struct rates rates;
	struct greeting greeting;
	struct unloaded unloaded;
	struct delay delay;
	struct commit commit;
	struct job job;
	struct knee knee;
	struct capacity capacity;
	struct think think;
	struct stop stop;
	struct patience patience;
	struct memory memory;
	struct growth_freeze growth_freeze;
	struct servo servo;
	struct foreign foreign;
};

void window_init(struct window *window, const struct window_config *config);
/* Copies learned figures out of a window, and into one that has just been initialised. They are a
 * first guess that later measurements replace. Figures that make no sense are ignored. */
void window_save(const struct window *window, struct window_warm *ret_warm);
void window_restore(struct window *window, const struct window_warm *warm);
void window_configure(struct window *window, const struct window_config *config);
/* One tick for one service. Updates window->view, and fills window, rate, burst, ungreeted_max,
 * late and reason of `ret_service` (the caller fills the other fields). */
void window_step(struct window *window, const struct window_input *input,
		 struct plan_service *ret_service);

const char *window_law_name(enum window_law law);
const char *regime_name(enum regime regime);
const char *regime_sentence(enum regime regime);
const char *machine_name(enum machine machine);
/* Writes the names of the bits with "+" between them into `buf` (at least SERVER_NAMES_MAX);
 * "serves" for 0. */
#define SERVER_NAMES_MAX 64
const char *server_names(uint32_t server, char *buf);
/* Names with "+" between them -> bits for window_config.without; 0: a name is unknown. */
uint32_t window_part_by_name(const char *names);
static inline bool window_has(const struct window_config *config, enum window_part part)
{
	return !(config->without & (1u << part));
}

#endif
