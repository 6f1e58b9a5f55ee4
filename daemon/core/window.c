/*
 * How many sessions may be in flight: the law.
 *
 * The best signal of a mail server is T, the time that a session costs *the server*: busy sessions (those in which the
 * server owes an answer) over completions a second (Little's law). It is blind to slow senders, and it sees slots, CPU,
 * disk and lock contention alike. What one would wrongly assume: that CPU utilisation, PSI or connect-to-220 could steer.
 * PSI "some" saturates below the knee, so it is a gate (saturated or not) and names the driver, never an error signal;
 * connect-to-220 is blind where a scanner works after the final dot.
 *
 * The capacity law, where completions and dialogue can be seen:
 *   X    completions a second        T = busy / X, less what an unloaded session costs (tarpits, remote lookups)
 *   D    CPU of the MTA's control group a job: predicts capacity before the overload is there
 *   Xcap what the server can complete: X where it is plainly over its knee, the prediction where it is plainly under it,
 *        held where the machine is loaded and mail is not harmed (that load is somebody else's)
 *   W    Xcap (Tt + Z), Z the time in which a session waits for its sender
 * A token bucket at 1.25 Xcap bounds bursts between two ticks; a bound on sessions that wait for their greeting finds a
 * server that has run out of slots.
 *
 * The pressure servo, where neither can be seen: an integrating controller on the norm of delay pressures.
 *
 * Both: what leaves the queue behind the server bounds what is taken (backlog.h); W_hard, what memory, disk space and slots carry,
 * joins by min; nothing grows for 30 s after a sensor was lost, or until it is back; and without any sight of sessions the window is open.
 *
 * Tried and left out, for without them no scenario and no random plant fared worse, and many better: a factor on W for what the
 * prediction missed (Xcap follows what is completed, and finds it out as well), a veto of growth that brings nothing (Protego).
 *
 * Sources: Little 1961; Breakwater (OSDI'20) for the window as actuator, RFC 8033 for the shape of the servo.
 *
 * Here: the order of a tick, what is kept over a restart, and the plan that comes of it. window_parts.h says where the rest is.
 */
#include "core/window.h"

#include <string.h>

#include "core/smooth.h"
#include "core/window_parts.h"

#define BUCKET_SHARE 1.25
#define HUNG_PER_S 0.1 /* completions: a server that is merely short of CPU makes more */
#define WAITING_LEAST 8 /* for their greeting */
/* Longer than greet waits and DNS lists take; a sender waits 300 s for the greeting (RFC 5321, 4.5.3.2.1). */
#define UNGREETED_US 30000000u
/* Late refusals while next to nobody gets through: the patience doubles in this time, up to this many times. */
#define LATE_SHARE 0.05
#define LATE_SHARE_IDLE 0.9 /* ... and where the machine is idle: while some do not */
#define LATE_DOUBLES_S 3.0
#define LATE_STRETCH_MOST 600.0
#define LATE_RELAX_S 600.0

void window_init(struct window *window, const struct window_config *config)
{
	memset(window, 0, sizeof(*window));
	window->config = *config;
	window->trust = window->late_stretch = 1;
	window_memory_init(window);
	window->view.law = LAW_OPEN;
	window->view.capacity_per_s = window->view.server_time_s = window->view.hard = -1;
	window->view.saturation = window->view.cpu_per_job_s = -1;
	window->view.queue_allowed_per_s = -1;
}

void window_save(const struct window *w, struct window_warm *ret)
{
	*ret = (struct window_warm){ 0 };
	if (w->jobs_seen < JOBS_FOR_COST)
		return; /* what is there is a guess */
	ret->capacity_per_s = w->capacity;
	ret->cpu_per_job_s = w->cost;
	ret->time_base_s = w->time_base_seen ? w->time_base : 0;
	ret->think_time_s = w->view.think_time_s;
	ret->session_bytes = w->memory.per_session;
	ret->trust = w->trust;
}

static bool makes_sense(double value, double least, double most)
{
	return isfinite(value) && value >= least && value <= most;
}

void window_restore(struct window *w, const struct window_warm *warm)
{
	if (makes_sense(warm->capacity_per_s, 0.1, 1e6))
		w->capacity = warm->capacity_per_s;
	if (makes_sense(warm->cpu_per_job_s, 1e-6, 1e3))
		w->cost = warm->cpu_per_job_s;
	if (makes_sense(warm->time_base_s, 1e-9, 600)) {
		w->time_base = warm->time_base_s;
		w->time_base_seen = true;
	}
	if (makes_sense(warm->think_time_s, 1e-6, 3600))
		w->think_guess = warm->think_time_s;
	if (makes_sense(warm->session_bytes, 1, 1e12))
		w->memory.per_session = warm->session_bytes;
	if (makes_sense(warm->trust, TRUST_LEAST, 1))
		w->trust = warm->trust;
}

void window_configure(struct window *window, const struct window_config *config)
{
	window->config = *config;
}

/* While next to nothing is completed, a machine whose CPUs are pressed says nothing of why: whoever is short of CPU gets some. The
 * server's own stall does. */
static bool is_hung(const struct window *w, const struct tick *t)
{
	return t->time > TIME_BAD && w->busy_ew >= BUSY_LEAST && w->completed_ew < HUNG_PER_S &&
	       !sample_has(t->in->sample, SIGNAL_MTA_CPU_STALL_RATIO);
}

/* What drives, in the words of a reason: the stall nearest to its target, the server itself where none is near. */
static enum reason name_reason(const struct window *w, const struct tick *t)
{
	double cpu = t->cpu / SATURATED, io = t->io / SATURATED, memory = t->memory / 0.2;
	double nic =
		t->in->pressure->known[RESOURCE_NIC] ? t->in->pressure->resource[RESOURCE_NIC] : 0;

	if (memory >= 1 && memory >= cpu && memory >= io)
		return REASON_MEMORY;
	if (io >= 0.5 && io >= cpu)
		return REASON_DISK;
	if (cpu >= 0.5 && !is_hung(w, t))
		return REASON_CPU;
	return nic >= 1 ? REASON_NIC : REASON_SMTP;
}

static void set_open(struct window *w, struct plan_service *ret)
{
	w->view.law = LAW_OPEN;
	w->view.window = -1;
	w->view.reason = REASON_NONE;
	w->view.hard_binds = w->view.queue_binds = false;
	w->view.queue_allowed_per_s = -1;
	ret->window = ret->waiting_max = ret->rate_milli = PLAN_UNLIMITED;
	ret->burst_milli = 0;
	ret->late_us = 0;
	ret->reason = REASON_NONE;
}

/* Nobody was ever greeted since the start, and one has waited longer than any server's own way of late: it hangs. Whoever waits is told
 * then, and few are let in to see when it does greet. */
static bool is_never_greeted(struct window *w, const struct tick *t)
{
	if (t->in->connect_220_base_us > 0)
		w->ungreeted = false;
	else if (sample_get(t->in->sample, SIGNAL_OLDEST_WAITING_US, 0) > UNGREETED_US)
		w->ungreeted = true;
	return w->ungreeted;
}

/* How long a greeting is waited for. Nothing is refused late before an unloaded greeting was seen; and where nobody at all gets
 * through within it, it may be the server's way of late (a greet wait, DNS lists): then it is waited for longer and longer,
 * else nobody would ever learn. On an idle machine that goes on until nearly all get through, for such a wait varies. Not where
 * most of those in flight have been greeted: whoever talks slowly is not through yet. */
static uint32_t late_us(struct window *w, const struct tick *t)
{
	double base_us = t->in->connect_220_base_us;
	const struct load_service *l = t->in->load;
	bool held_back = window_is_greeting_late(w, t);
	bool greeted = l->known & LOAD_WAITING && 2 * l->waiting < l->in_flight;
	double share = t->refusing && held_back ? LATE_SHARE_IDLE : LATE_SHARE;
	bool nobody = w->admitted_ew > 0.5 && w->completed_ew < share * w->admitted_ew &&
		      (held_back || !greeted);

	if (nobody)
		w->late_stretch *= exp2(t->dt / LATE_DOUBLES_S);
	else
		smooth_step(&w->late_stretch, 1, t->dt, LATE_RELAX_S);
	w->late_stretch = clamp_double(w->late_stretch, 1, LATE_STRETCH_MOST);
	if (!window_has(w, WINDOW_PART_LATE))
		return 0;
	if (base_us <= 0)
		return is_never_greeted(w, t) ? UNGREETED_US : 0;
	return (uint32_t)fmin(w->config.banner_objective_us * w->late_stretch + 3 * base_us, 4e9);
}

/* How many may come at once: what of the window is the server's own part. They are all served within the time that the law aims
 * at, so that it is long while there is no overload, and short in one. The rest of a window is sessions that wait for their
 * senders or for somebody else (the unloaded part of T), and those fill at the rate: all at once they would come back all at once. */
static double burst(const struct window *w)
{
	return w->capacity * w->view.target_time_s;
}

static void write_plan(struct window *w, const struct tick *t, struct plan_service *ret)
{
	double x = fmax(w->capacity, w->completed_ew);
	/* A greet wait that is new shows in T before it is taken for the unloaded greeting. */
	double base_s = fmax(t->in->connect_220_base_us / 1e6,
			     window_is_greeting_late(w, t) ? w->time_base : 0);

	ret->window = (uint32_t)(w->view.window + 0.5);
	ret->reason = (uint8_t)w->view.reason;
	if (w->view.law == LAW_CAPACITY) {
		ret->rate_milli = (uint32_t)fmin(1000 * (BUCKET_SHARE * x + 3), 4e9);
		ret->burst_milli = (uint32_t)fmin(1000 * fmax(5, burst(w)), 4e9);
		ret->waiting_max =
			(uint32_t)fmin(fmax(WAITING_LEAST, x * (0.25 + 3 * base_s)), 1e6);
		ret->late_us = late_us(w, t);
		if (!window_has(w, WINDOW_PART_PACING))
			ret->rate_milli = PLAN_UNLIMITED;
		/* Before a greeting was seen nobody knows how many wait for one. */
		if (t->in->connect_220_base_us <= 0)
			ret->waiting_max = is_never_greeted(w, t) ? WAITING_LEAST : PLAN_UNLIMITED;
		if (!window_has(w, WINDOW_PART_WAITING))
			ret->waiting_max = PLAN_UNLIMITED;
	} else {
		ret->rate_milli = ret->waiting_max = PLAN_UNLIMITED;
		ret->burst_milli = 0;
		ret->late_us = 0;
	}
}

void window_step(struct window *w, const struct window_input *in, struct plan_service *ret_service)
{
	struct tick t = { .in = in, .dt = clamp_double(in->dt_s, 0.001, 5), .time = -1 };
	const uint32_t dialogue = LOAD_COMPLETED | LOAD_BUSY | LOAD_IN_FLIGHT;
	enum reason hard_reason = REASON_SMTP;
	double wanted;

	t.cores = fmax(sample_get(in->sample, SIGNAL_MTA_CORES, w->config.cores), 0.05);
	if (in->blind || !(in->load->known & (LOAD_IN_FLIGHT | LOAD_OFFERED))) {
		w->primed = false;
		set_open(w, ret_service);
		window_judge_foreign(w, &t); /* said all the same, where it can be known */
		return;
	}
	if (!w->primed) {
		w->last = *in->load;
		w->primed = true;
	}
	t.slots_short = sample_get(in->sample, SIGNAL_ACCEPT_QUEUE_RATIO, 0) > 0.1;
	w->short_s = t.slots_short ? w->short_s + t.dt : 0;
	window_read_saturation(w, &t);
	window_read_load(w, &t);
	w->view.law = w->config.law != LAW_AUTO			 ? w->config.law
		      : (in->load->known & dialogue) == dialogue ? LAW_CAPACITY
								 : LAW_SERVO;
	window_watch_inputs(w, &t);
	wanted = w->view.law == LAW_CAPACITY ? window_capacity_law(w, &t) : window_servo(w, &t);
	window_learn_memory(w, &t);
	w->view.hard =
		window_has(w, WINDOW_PART_HARD) ? window_hard_limit(w, &t, &hard_reason) : -1;
	wanted = clamp_double(wanted, w->config.least, WINDOW_MOST);
	w->view.hard_binds = w->view.hard >= 0 && w->view.hard < wanted;
	w->view.window = w->view.hard_binds ? w->view.hard : wanted;
	w->view.reason = w->view.hard_binds ? hard_reason : name_reason(w, &t);
	w->view.refusing = t.refusing;
	w->view.completed_per_s = w->completed_ew;
	w->view.offered_per_s = w->offered_ew;
	w->view.admitted_per_s = w->admitted_ew;
	window_judge_foreign(w, &t);
	write_plan(w, &t, ret_service);
	window_bind_queue(w, &t, ret_service);
	w->last = *in->load;
}

uint32_t window_part_by_name(const char *names)
{
	static const char *const parts[] = {
#define X(id, name) name,
		WINDOW_PART_TABLE(X)
#undef X
	};
	uint32_t found = 0;

	while (*names) {
		size_t n = strcspn(names, "+");
		uint32_t bit = 0;

		for (int i = 0; i < WINDOW_PART__COUNT; i++)
			if (strlen(parts[i]) == n && strncmp(parts[i], names, n) == 0)
				bit = 1u << i;
		if (!bit)
			return 0;
		found |= bit;
		names += n + (names[n] == '+');
	}
	return found;
}

const char *window_law_name(enum window_law law)
{
	static const char *const names[] = { "auto", "capacity", "servo", "open" };

	return names[law];
}
