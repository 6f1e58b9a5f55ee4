/*
 * How many sessions may be in flight: the law.
 *
 *     W = Xcap x (Tt + T0 + Z)        at least window.min, at most W_hard
 *
 *   W     window: sessions in flight at the server. More wait in front of it (core/room.h)
 *   Xcap  capacity: what the server can complete a second
 *   Tt    time aimed at: how long a session may queue inside the server, .1 to .4 s
 *   T0    unloaded time: what a session costs the server when nothing queues (tarpits, lookups)
 *   Z     think time: how long a session waits for its sender
 *
 * Example, as `penstockctl explain` prints it:
 *
 *     26.1 = capacity 101.00/s x (100.0 ms aimed at + 12.0 ms unloaded + 146.0 ms of senders)
 *     over: the server is over its knee: capacity follows what is completed
 *
 * 101 messages a second, each in the server for .112 s and with its sender for .146 s: by Little's
 * law 101 x .258 = 26 sessions are open. With fewer the server is idle at times, with more they
 * only queue.
 *
 *    sample, load                                  T  = busy / X      (what it takes now)
 *         |                                        T0 = T while idle  (time_base.c)
 *         v                                              |
 *    window_tick.c  rates, saturation  ----------------->+
 *         |                                              v
 *    server.c       machine, server  -----------> regime.c: FREE CAPPED STEADY CLOSING OVER
 *                                                        |
 *    D = CPU a job  -- prediction x trust --+            v
 *    X = completed a second  ---------------+--> capacity.c: Xcap --> W --+
 *                                                                         |
 *    hard.c         memory, space, slots  ------------------> W_hard -----+-- min --> plan
 *    queue_bound.c  what leaves the queue behind the server,              |
 *                   and the filter behind that (second_stage.h)  --------+
 *
 * T is the best signal of a mail server: busy sessions (those in which the server owes an answer)
 * over completions a second. It is blind to slow senders, and it sees slots, CPU, disk and lock
 * contention alike. What one would wrongly assume: that CPU utilisation, PSI or connect-to-220
 * could steer. PSI "some" saturates below the knee, so it is a gate (saturated or not) and names
 * the driver, never an error signal; connect-to-220 is blind where a scanner works after the final
 * dot.
 *
 * A token bucket a quarter above Xcap bounds bursts between two ticks; a bound on sessions that
 * wait for their greeting finds a server that has run out of slots.
 *
 * The pressure servo (servo.c), where completions and dialogue cannot be seen: an integrating
 * controller on the highest delay pressure.
 *
 * Both: nothing grows for a while after a sensor was lost, or until it is back (hold.c); without
 * any sight of sessions the window is open.
 *
 * Tried and left out, for without them no scenario and no random plant fared worse, and many
 * better: a factor on W for what the prediction missed (Xcap follows what is completed, and finds
 * it out as well), a veto of growth that brings nothing (Protego).
 *
 * Figures: law.h, each with unit, reason and the scenario that fixes it. Sources: Little 1961;
 * Breakwater (OSDI'20) for the window as actuator, CoDel (RFC 8289) for the queue in front, RFC
 * 8033 for the shape of the servo.
 *
 * Here: the order of a tick, what is kept over a restart, and the plan that comes of it.
 * window_parts.h says where the rest is.
 */
#include "core/window.h"

#include <string.h>

#include "core/window_parts.h"

void window_init(struct window *window, const struct window_config *config)
{
	memset(window, 0, sizeof(*window));
	window->config = *config;
	window->capacity.trust = 1;
	memory_init(&window->memory);
	window->view.law = LAW_OPEN;
	window->view.capacity_per_s = window->view.server_time_s = window->view.hard = -1;
	window->view.saturation = window->view.cpu_per_job_s = -1;
	window->view.passing_per_s = -1;
	window->view.queue_allowed_per_s = -1;
}

void window_save(const struct window *w, struct window_warm *ret)
{
	*ret = (struct window_warm){ 0 };
	if (w->rates.jobs < JOBS_FOR_COST)
		return; /* what is there is a guess */
	ret->capacity_per_s = w->capacity.per_s;
	ret->cpu_per_job_s = w->job.cost;
	ret->time_base_s = w->unloaded.seen ? w->unloaded.time_s : 0;
	ret->think_time_s = w->view.think_time_s;
	ret->session_bytes = w->memory.learned ? w->memory.per_session : 0;
	ret->trust = w->capacity.trust;
}

static bool makes_sense(double value, double least, double most)
{
	return isfinite(value) && value >= least && value <= most;
}

void window_restore(struct window *w, const struct window_warm *warm)
{
	if (makes_sense(warm->capacity_per_s, WARM_RATE_MIN, WARM_RATE_MAX))
		w->capacity.per_s = warm->capacity_per_s;
	if (makes_sense(warm->cpu_per_job_s, WARM_CPU_MIN_S, WARM_CPU_MAX_S))
		w->job.cost = warm->cpu_per_job_s;
	if (makes_sense(warm->time_base_s, WARM_BASE_MIN_S, WARM_BASE_MAX_S)) {
		w->unloaded.time_s = warm->time_base_s;
		w->unloaded.seen = true;
	}
	if (makes_sense(warm->think_time_s, WARM_CPU_MIN_S, THINK_MAX_S))
		w->think.guess = warm->think_time_s;
	if (makes_sense(warm->session_bytes, 1, WARM_BYTES_MAX)) {
		w->memory.per_session = warm->session_bytes;
		w->memory.learned = true;
	}
	if (makes_sense(warm->trust, TRUST_MIN, 1))
		w->capacity.trust = warm->trust;
}

void window_configure(struct window *window, const struct window_config *config)
{
	window->config = *config;
}

/* What drives, in the words of a reason: the stall nearest to its target, the server itself where
 * none is near. */
static enum reason name_reason(const struct tick *t)
{
	double cpu = t->cpu / SATURATED, io = t->io / SATURATED, memory = t->memory / MEMORY_FULL;
	double nic =
		t->in->pressure->known[RESOURCE_NIC] ? t->in->pressure->resource[RESOURCE_NIC] : 0;

	if (memory >= 1 && memory >= cpu && memory >= io)
		return REASON_MEMORY;
	if (io >= NAMED_FROM && io >= cpu)
		return REASON_DISK;
	if (cpu >= NAMED_FROM && !(t->server & SERVER_HANGS))
		return REASON_CPU;
	return nic >= 1 ? REASON_NIC : REASON_SMTP;
}

static void set_open(struct window *w, struct plan_service *ret)
{
	w->view.law = LAW_OPEN;
	w->view.window = -1;
	w->view.reason = REASON_NONE;
	w->view.hard_binds = w->view.queue_binds = false;
	w->view.queue_allowed_per_s = w->view.passing_per_s = -1;
	ret->window = ret->ungreeted_max = ret->rate_milli = PLAN_UNLIMITED;
	ret->burst_milli = 0;
	ret->greeting_timeout_us = ret->hold_us = ret->pass_milli = 0;
	ret->reason = REASON_NONE;
}

/* How long a greeting is waited for, once a session was let in. No client is told late unless the
 * plan refuses for load: a sender for whom an idle machine takes long waits for another party (its
 * own name server, say), and would not fare better the next time; there only a server that hangs is
 * given up. In an overload it is what a greeting usually takes, what those in front may wait, and
 * the objective. */
static uint32_t greeting_timeout_us(const struct window *w, const struct tick *t)
{
	double base_us = GREETINGS_BORNE * t->in->connect_220_base_us, greeting_timeout_us;

	if (!window_has(w, WINDOW_PART_LATE))
		return 0;
	if (base_us <= 0)
		return t->server & SERVER_NEVER_GREETED ? (uint32_t)us_of(UNGREETED_S) : 0;
	if (tick_is_idle(t) || !t->refusing)
		greeting_timeout_us = US_IN_S * UNGREETED_S + base_us;
	else
		greeting_timeout_us =
			w->config.banner_objective_us + US_IN_S * w->view.patience_s + base_us;
	return (uint32_t)fmin(greeting_timeout_us, PLAN_MAX);
}

/* How many may come at once: what of the window is the server's own part. They are all served
 * within the time that the law aims at, so that it is long while there is no overload, and short in
 * one. The rest of a window is sessions that wait for their senders or for another party (the
 * unloaded part of T), and those fill at the rate: all at once they would come back all at once. */
static double burst(const struct window *w)
{
	return w->capacity.per_s * w->view.target_time_s;
}

/* How many may wait for their greeting. */
static uint32_t ungreeted_max(const struct window *w, const struct tick *t, double x)
{
	/* A greet wait that is new shows in T before it is taken for the unloaded greeting. */
	double base_s = fmax(t->in->connect_220_base_us / US_IN_S,
			     t->server & SERVER_GREETS_LATE ? w->unloaded.time_s : 0);
	double ungreeted =
		fmax(UNGREETED_MIN, x * (UNGREETED_CAPACITY_S + GREETINGS_BORNE * base_s));

	if (!window_has(w, WINDOW_PART_UNGREETED))
		return PLAN_UNLIMITED;
	/* Before a greeting was seen it is not known how many wait for one. */
	if (t->in->connect_220_base_us <= 0)
		return t->server & SERVER_NEVER_GREETED ? (uint32_t)UNGREETED_MIN : PLAN_UNLIMITED;
	return (uint32_t)fmin(ungreeted, WINDOW_MAX);
}

static void write_plan(const struct window *w, const struct tick *t, struct plan_service *ret)
{
	double x = fmax(w->capacity.per_s, w->rates.completed);

	ret->window = (uint32_t)(w->view.window + HALF);
	ret->reason = (uint8_t)w->view.reason;
	ret->rate_milli = ret->ungreeted_max = PLAN_UNLIMITED;
	ret->burst_milli = ret->greeting_timeout_us = ret->hold_us = ret->pass_milli = 0;
	if (w->view.law != LAW_CAPACITY)
		return;
	if (window_has(w, WINDOW_PART_PACING))
		ret->rate_milli =
			(uint32_t)fmin(MILLI * (BUCKET_SHARE * x + BUCKET_MORE_PER_S), PLAN_MAX);
	ret->burst_milli = (uint32_t)fmin(MILLI * fmax(BURST_MIN, burst(w)), PLAN_MAX);
	ret->ungreeted_max = ungreeted_max(w, t, x);
	ret->greeting_timeout_us = greeting_timeout_us(w, t);
	/* Sessions that end give memory and slots back, but a full disk has no place for those who
	 * wait. */
	if (!w->view.hard_binds || w->view.reason != REASON_DISK)
		ret->hold_us = (uint32_t)(US_IN_S * w->view.patience_s);
	ret->pass_milli = (uint32_t)fmin(MILLI * w->view.passing_per_s, PLAN_MAX);
}

/* Which law is in force: the capacity law where completions and dialogue are seen. */
static enum window_law choose_law(const struct window *w, const struct window_input *in)
{
	const uint32_t dialogue = LOAD_COMPLETED | LOAD_BUSY | LOAD_IN_FLIGHT;

	if (w->config.law != LAW_AUTO)
		return w->config.law;
	return (in->load->known & dialogue) == dialogue ? LAW_CAPACITY : LAW_SERVO;
}

/* W: what the law wants, and what is there for it. */
static void limit_window(struct window *w, const struct tick *t, double wanted)
{
	enum reason hard_reason = REASON_SMTP;

	memory_step(&w->memory, t, w->config.session_memory_bytes, w->view.hard_binds);
	w->view.hard = window_has(w, WINDOW_PART_HARD) ? window_hard_limit(w, t, &hard_reason) : -1;
	wanted = clamp_double(wanted, w->config.min, WINDOW_MAX);
	w->view.hard_binds = w->view.hard >= 0 && w->view.hard < wanted;
	w->view.window = w->view.hard_binds ? w->view.hard : wanted;
	w->view.reason = w->view.hard_binds ? hard_reason : name_reason(t);
}

/* How many places come free a second. Where a cliff binds, most of Xcap finds none: the window by
 * the time that a session takes (Little's law). Example: Xcap 470, W 43 instead of the 1006 of the
 * equation: 470 x 43 / 1006 = 20 a second. */
static double passing(const struct window *w)
{
	double part = w->view.equation > 0 ? fmin(1, w->view.window / w->view.equation) : 1;

	if (w->view.law != LAW_CAPACITY)
		return -1;
	return fmax(w->capacity.per_s * part, w->rates.completed_lag);
}

static void watch_inputs(struct window *w, const struct tick *t)
{
	hold_step(&w->hold, t, w->view.law);
	if (!window_has(w, WINDOW_PART_HOLD))
		w->hold.until_us = 0;
}

static double pressure_law(struct window *w, const struct tick *t)
{
	w->view.target_time_s = w->view.think_time_s = 0;
	w->view.capacity_per_s = -1;
	return servo_step(&w->servo, t, &w->config, tick_holds(w, t));
}

static void judge_foreign(struct window *w, const struct tick *t)
{
	w->view.foreign = window_has(w, WINDOW_PART_FOREIGN) &&
			  foreign_step(&w->foreign, t, &w->rates, &w->capacity, w->config.cores);
}

void window_step(struct window *w, const struct window_input *in, struct plan_service *ret_service)
{
	struct tick t = { .in = in, .dt = clamp_double(in->dt_s, DT_MIN_S, DT_MAX_S), .time = -1 };
	double wanted;

	t.cores = fmax(sample_get(in->sample, SIGNAL_MTA_CORES, w->config.cores), CORES_MIN);
	w->view.regime = REGIME_NONE;
	w->view.equation = -1;
	if (in->blind || !(in->load->known & (LOAD_IN_FLIGHT | LOAD_OFFERED))) {
		w->primed = false;
		set_open(w, ret_service);
		judge_foreign(w, &t); /* said all the same, where it can be known */
		return;
	}
	if (!w->primed) {
		w->last = *in->load;
		w->primed = true;
	}
	window_read_saturation(w, &t);
	window_read_load(w, &t);
	window_see_machine(&t);
	window_see_server(w, &t);
	w->view.law = choose_law(w, in);
	watch_inputs(w, &t);
	wanted = w->view.law == LAW_CAPACITY ? window_capacity_law(w, &t) : pressure_law(w, &t);
	window_see_hang(w, &t);
	limit_window(w, &t, wanted);
	w->view.passing_per_s = passing(w);
	w->view.machine = t.machine;
	w->view.server = t.server;
	w->view.refusing = t.refusing;
	w->view.completed_per_s = w->rates.completed;
	w->view.offered_per_s = w->rates.offered;
	w->view.admitted_per_s = w->rates.admitted;
	judge_foreign(w, &t);
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
