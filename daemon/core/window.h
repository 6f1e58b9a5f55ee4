/* The law: how many sessions of one service the machine can carry now. Two laws behind one face: the capacity law where
 * completions and dialogue can be seen (proxy; gate with BPF), the pressure servo where they cannot (policy service
 * alone). See the head of window.c for what each does and why; every figure has a name in window_config or beside
 * what uses it (window_parts.h: where). */
#ifndef PENSTOCK_CORE_WINDOW_H
#define PENSTOCK_CORE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/load.h"
#include "core/plan.h"
#include "core/pressure.h"
#include "core/sample.h"

enum window_law { LAW_AUTO, LAW_CAPACITY, LAW_SERVO, LAW_OPEN };

/* Parts of the law that can be left out, so that the simulator can show what each is worth: never in the daemon.
 * X(id, name) */
#define WINDOW_PART_TABLE(X)                                                       \
	X(PACING, "pacing") /* the bucket between two ticks */                     \
	X(WAITING, "waiting") /* the bound on sessions that wait for a greeting */ \
	X(LATE, "late") /* refusal of who was admitted and not greeted */          \
	X(PREDICTION, "prediction") /* capacity from the CPU of a job */           \
	X(TRUST, "trust") /* how far the prediction holds */                       \
	X(SPREAD, "spread") /* more at the server for the chance of the senders */ \
	X(BASE, "base") /* what a session costs an unloaded server */              \
	X(THINK, "think") /* open sessions are believed before they end */         \
	X(HARD, "hard") /* the cliffs */                                           \
	X(EXHAUSTION, "exhaustion") /* time to exhaustion */                       \
	X(FOREIGN, "foreign") /* load that is somebody else's */                   \
	X(HOLD, "hold") /* no growth after a sensor was lost */                    \
	X(CORES, "cores") /* stalls count as far as the cores are used */

enum window_part {
#define X(id, ...) WINDOW_PART_##id,
	WINDOW_PART_TABLE(X)
#undef X
		WINDOW_PART__COUNT
};

struct window_config {
	enum window_law law; /* AUTO: by what the load shows */
	double cores; /* that the MTA may use */
	uint32_t least; /* W never goes below, default 4 */
	uint32_t most; /* W never goes above: the server's slots x .95; 0: not known */
	double banner_objective_us; /* above the learned unloaded time */
	double memory_reserve_bytes; /* left alone by the hard limit */
	double disk_reserve_bytes;
	double session_memory_bytes; /* 0: learned */
	uint32_t without; /* bits 1 << enum window_part: left out */
};

/* What the law has learned and a restart should not lose. 0: not learned. Plain data, to be kept by the caller. */
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
	double connect_220_base_us; /* learned unloaded */
	double queue_allowed_per_s; /* what the queue behind the server lets in (backlog.h); 0 or less: all */
	bool blind; /* no sensor works */
};

struct window_view {
	enum window_law law; /* in force: CAPACITY, SERVO or OPEN (nothing known to act on) */
	double window; /* W; as in the plan */
	double hard; /* W_hard; -1: none known */
	double capacity_per_s; /* Xcap; -1: not known */
	double completed_per_s, offered_per_s, admitted_per_s;
	double server_time_s; /* T; -1: not known */
	double target_time_s; /* Tt */
	double think_time_s; /* Z */
	double saturation; /* 0..1; -1: not known */
	double cpu_per_job_s; /* D; -1: not known */
	bool refusing; /* something was refused lately */
	bool foreign; /* the pressure is not mail's */
	bool hard_binds; /* W is W_hard */
	bool queue_binds; /* the queue behind the server sets the rate: */
	double queue_allowed_per_s; /* -1: it does not */
	enum reason reason; /* said when a limit binds */
};

struct window {
	struct window_config config;
	struct window_view view;
	/* Learned and smoothed: see window_parts.h for whose each is. */
	struct load_service last;
	bool primed; /* `last` is of the previous tick */
	double lag_s; /* what the law does now shows in completions so much later */
	double completed_lag; /* a second, over that */
	double completed_ew, completed_slow, offered_ew, admitted_ew, deferred_ew, busy_ew;
	double cpu_slow, io_slow, jobs_seen, cost; /* D; cost: the last that was known */
	double think_sum, think_jobs, think_guess,
		think_open; /* Z; guess: of the run before; open: more, by sessions that have not ended */
	double time_base; /* unloaded part of T, s */
	bool time_base_seen, saturation_seen;
	bool ungreeted; /* nobody ever was, and one has waited too long for it */
	double capacity, trust, servo, servo_error;
	double short_s; /* how long the accept queue has stood: that the server has no slot for them */
	double late_stretch; /* times the objective that a greeting is waited for; at least 1 */
	uint64_t refused_us; /* when something was last refused; 0: never */
	uint64_t hold_until_us; /* no growth before, or until what is `lost` is back */
	uint32_t seen, lost; /* inputs: there in the last tick; not there since they were */
	struct { /* memory a session: regression of the MTA's memory on sessions in flight */
		double flight_mean, memory_mean, variance, covariance, per_session;
		double available, available_rate; /* bytes, bytes a second */
		double available_idle; /* while few sessions were in flight */
		double carried; /* sessions, by the last reading; 0: not known */
		double missed_s; /* how old that reading is */
		bool primed;
	} memory;
	uint64_t foreign_since_us; /* 0: the pressure is mail's, or there is none */
};

void window_init(struct window *window, const struct window_config *config);
/* Learned figures out of a window, and into one that has just been initialised. They bound the first guess, and what is then
 * seen replaces them; a figure that makes no sense is not taken. */
void window_save(const struct window *window, struct window_warm *ret_warm);
void window_restore(struct window *window, const struct window_warm *warm);
void window_configure(struct window *window, const struct window_config *config);
/* One tick for one service: updates window->view and fills window, rate, burst, waiting_max, late and reason of
 * `ret_service` (the other fields are the caller's). */
void window_step(struct window *window, const struct window_input *input,
		 struct plan_service *ret_service);

const char *window_law_name(enum window_law law);
/* Names with "+" between them -> bits for window_config.without; 0: one of them is none. */
uint32_t window_part_by_name(const char *names);
static inline bool window_has(const struct window *window, enum window_part part)
{
	return !(window->config.without & (1u << part));
}

#endif
