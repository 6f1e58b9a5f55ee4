/*
 * How many sessions may be in flight: the law.
 *
 *     W = Xcap x (Tt + T0 + Z)        at least window.min; a place more for each stuck session;
 *                                     at most W_hard
 *
 *   W     window: sessions in flight at the server. More wait in front of it (core/room.h)
 *   Xcap  capacity: what the server can complete a second
 *   Tt    time aimed at: how long a session may queue inside the server, .1 to .4 s
 *   T0    unloaded time: what a session costs the server when nothing queues (tarpits, lookups)
 *   Z     think time: how long a session waits for its sender
 *
 * Example, as `penstockctl explain` prints it:
 *
 *     26.06 = capacity 101.00/s x (100.0 ms aimed at + 12.0 ms unloaded + 146.0 ms of senders)
 *     over: the server is over its knee: capacity follows what is completed
 *
 * 101 messages a second, each in the server for .112 s and with its sender for .146 s: by Little's
 * law 101 x .258 = 26 sessions are open. With fewer the server is idle at times, with more they
 * only queue.
 *
 *    sample, load                                  T  = busy / X      (what it takes now)
 *         |                                        T0 = T while idle  (unloaded.c)
 *         |                                             at a disk  (commit.c)
 *         |                                             if it does not follow busy  (delay.c)
 *         v                                              |
 *    rates.c, saturation.c  ---------------------------->+
 *         |                                              v
 *    server.c       machine, server  -----------> regime.c: FREE CAPPED STEADY CLOSING OVER
 *    stop.c         the server has stopped  ------------>|          STOPPED
 *    D = CPU a job  -- prediction x trust --+            v
 *    X = completed a second  ---------------+--> capacity.c: Xcap --> W --+
 *                                                                         |
 *    stop.c         nothing completed for seconds: X, D and Xcap stay     |
 *    hard.c         memory, space, slots  ------------------> W_hard -----+-- min --> plan
 *    backlog.c      what leaves the queue behind the server,              |
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
 * Both: nothing grows for a while after a sensor was lost, or until it is back (growth_freeze.c);
 * without any sight of sessions the window is open.
 *
 * Tried and left out, for without them no scenario and no random plant fared worse, and many
 * better: a factor on W for what the prediction missed (Xcap follows what is completed, and finds
 * it out as well), a veto of growth that brings nothing (Protego), memory kept back in proportion
 * to what there is (the spread of the readings covers it), least and longest ticks, the servo's
 * proportional part, and bounds of its growth in a step and for small errors.
 *
 * Figures: law.h, each with unit, reason and the scenario that fixes it. Sources: Little 1961;
 * Breakwater (OSDI'20) for the window as actuator, CoDel (RFC 8289) for the queue in front, RFC
 * 8033 for the shape of the servo.
 *
 * Here: the order of a tick, and the view. window_plan.c makes the plan of the view.
 * window_parts.h says where the rest is.
 */
#include "core/window.h"

#include <string.h>

#include "core/window_parts.h"

void window_init(struct window *window, const struct window_config *config)
{
	memset(window, 0, sizeof(*window));
	window->config = *config;
	saturation_init(&window->saturation);
	capacity_init(&window->capacity);
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

void window_restore(struct window *w, const struct window_warm *warm)
{
	capacity_restore(&w->capacity, warm);
	job_restore(&w->job, warm);
	unloaded_restore(&w->unloaded, warm);
	think_restore(&w->think, warm);
	memory_restore(&w->memory, warm);
}

void window_configure(struct window *window, const struct window_config *config)
{
	window->config = *config;
}

/* The resource that limits, as a reason: the stall that is nearest to its target, or the server
 * itself if none is near. */
static enum reason name_reason(const struct observation *o)
{
	double cpu = o->cpu / SATURATED, io = o->io / SATURATED;
	double memory =
		o->in->pressure->signal[sample_has(o->in->sample, SIGNAL_MTA_MEM_STALL_RATIO)
						? SIGNAL_MTA_MEM_STALL_RATIO
						: SIGNAL_MEM_STALL_RATIO];
	double nic =
		o->in->pressure->known[RESOURCE_NIC] ? o->in->pressure->resource[RESOURCE_NIC] : 0;

	if (memory >= 1 && memory >= cpu && memory >= io)
		return REASON_MEMORY;
	if (io >= IDLE_BELOW && io >= cpu)
		return REASON_DISK;
	if (cpu >= IDLE_BELOW && !(o->server & SERVER_HANGS))
		return REASON_CPU;
	return nic >= 1 ? REASON_NIC : REASON_SMTP;
}

/* Which law is in force: the capacity law where completions and dialogue are seen. */
static enum window_law choose_law(const struct window *w, const struct window_input *in)
{
	const uint32_t dialogue = LOAD_COMPLETED | LOAD_BUSY | LOAD_IN_FLIGHT;

	if (w->config.law != LAW_AUTO)
		return w->config.law;
	return (in->load->known & dialogue) == dialogue ? LAW_CAPACITY : LAW_SERVO;
}

/* W: what the law wants, within its limits. A stuck session does no work and may stay for long, so
 * it takes no place from the others. */
static void limit_window(struct window *w, const struct observation *o, double wanted)
{
	enum reason hard_reason = REASON_SMTP;

	memory_step(&w->memory, o);
	w->view.hard = window_has(&w->config, WINDOW_PART_HARD)
			       ? hard_limit(&w->memory, o, &hard_reason)
			       : -1;
	w->view.lets_in = w->view.law == LAW_CAPACITY && unloaded_lets_in(o, &w->rates);
	if (w->view.lets_in)
		wanted = fmax(wanted, o->in->load->in_flight - o->in->load->stuck + PROBE_PLACES);
	wanted = clamp_double(wanted, w->config.min, WINDOW_MAX) + o->in->load->stuck;
	w->view.hard_binds = w->view.hard >= 0 && w->view.hard < wanted;
	w->view.window = w->view.hard_binds ? w->view.hard : wanted;
	w->view.reason = w->view.hard_binds ? hard_reason : name_reason(o);
}

/* How many places come free a second. If a cliff binds, most of Xcap finds no place: it is the
 * window divided by the time of a session (Little's law). Example: Xcap 470, W 43 instead of the
 * 1006 of the equation: 470 x 43 / 1006 = 20 a second. */
static double passing(const struct window *w)
{
	double part = w->view.equation > 0 ? fmin(1, w->view.window / w->view.equation) : 1;

	if (w->view.law != LAW_CAPACITY)
		return -1;
	return fmax(w->capacity.per_s * part, w->capacity.completed_lag);
}

/* The number of sessions that wait for their senders varies by its square root. So many more must
 * be at the server, or it runs dry at times (square-root staffing). In server time. */
static double spread_time(const struct window *w)
{
	double away = w->view.think_time_s + w->unloaded.time_s;

	if (!window_has(&w->config, WINDOW_PART_SPREAD) || w->capacity.per_s <= 0)
		return 0;
	return fmin(SPREAD * sqrt(away / w->capacity.per_s), TIME_SPREAD_MAX_S);
}

static void show_capacity(const struct capacity *c, struct window_view *v)
{
	v->capacity_per_s = c->per_s;
	v->trust = c->trust;
	v->completed_lag_per_s = c->completed_lag;
	v->heading = c->heading;
}

/* T as people read it. A session that has been inside for T came T ago, so T grows by at most a
 * second each second. Busy sessions over completions say more while a load begins and none can
 * have finished yet. */
static double shown_time(const struct rates *r, const struct observation *o)
{
	double most_s = fmax(o->before->server_time_s, 0) + o->dt;

	return fmin(fmin(r->busy / fmax(r->completed, 1), most_s), TIME_MAX_S);
}

/* W = Xcap x (Tt + T0 + Z), and its terms. */
static double capacity_law(struct window *w, struct observation *o)
{
	bool disk = o->io > o->cpu;
	double least_s = disk ? TIME_GOOD_DISK_S : TIME_GOOD_S;
	double good_s = fmax(least_s, spread_time(w));
	double commit_s, calm;
	struct window_view *v = &w->view;

	v->server_time_s = shown_time(&w->rates, o);
	commit_s = commit_step(&w->commit, o, &w->rates);
	o->delay_s = delay_step(&w->delay, o, &w->rates, w->unloaded.time_s, &o->proven_per_s);
	o->may_queue = w->delay.before_s > 0 || w->delay.since_s < 0;
	o->believed = delay_is_believed(&w->delay);
	o->time = unloaded_step(&w->unloaded, o, &w->rates, &w->knee, commit_s, &o->confined);
	v->unloaded_s = w->unloaded.time_s;
	lag_step(&w->capacity, o, v->unloaded_s);
	o->stopped = stop_step(&w->stop, o, &w->rates, &w->capacity, &w->job);
	if (o->stopped != STOPPED_NOT)
		w->job = w->stop.job;
	if (o->stopped == STOPPED_SHORTLY)
		w->capacity = w->stop.capacity;
	v->prediction =
		job_step(&w->job, o, &w->rates, w->capacity.completed_lag, &v->cpu_per_job_s);
	v->regime = regime_step(&w->knee, o, &w->rates, w->capacity.lag_s, good_s);
	capacity_step(&w->capacity, o, &w->rates, v->regime, v->prediction.per_s, good_s);
	show_capacity(&w->capacity, v);
	calm = exp(-fmax(0, w->rates.offered / w->capacity.per_s - LASTS_OVER) / CALM_FADES);
	/* While nothing presses it is twice what is plainly good, and never less than in an
	 * overload: if many senders are slow, `good_s` is the longer one. */
	v->target_time_s = good_s + fmax(0, 2 * least_s - good_s) * calm;
	v->patience_s = patience_step(&w->patience, o, &w->capacity);
	v->think_time_s =
		think_step(&w->think, o, &w->rates, &w->capacity, v->target_time_s + v->unloaded_s);
	v->equation = v->capacity_per_s * (v->target_time_s + v->unloaded_s + v->think_time_s);
	return v->equation;
}

static double pressure_law(struct window *w, const struct observation *o)
{
	w->view.target_time_s = w->view.think_time_s = 0;
	w->view.capacity_per_s = -1;
	return servo_step(&w->servo, o);
}

/* What the queue behind the server allows (backlog.h), and the filter behind that (second_stage.h).
 * It acts on the bucket above all: with an after-queue filter sessions are so short that no window
 * limits them. */
static void limit_by_queue(struct window *w, const struct observation *o)
{
	struct window_view *v = &w->view;
	double allowed = o->in->queue_allowed_per_s;

	v->queue_allowed_per_s = allowed;
	v->queue_binds = allowed > 0 && w->rates.offered > FULL * allowed;
	if (allowed <= 0)
		return;
	if (v->law == LAW_CAPACITY)
		v->window =
			fmin(v->window,
			     fmax(allowed * (v->target_time_s + v->unloaded_s + v->think_time_s),
				  w->config.min));
	/* The next tick computes patience and demand with this rate. */
	v->passing_per_s = fmin(v->passing_per_s, allowed);
	if (v->queue_binds && !v->hard_binds)
		v->reason = REASON_QUEUE;
}

static void judge_foreign(struct window *w, const struct observation *o)
{
	w->view.foreign = window_has(&w->config, WINDOW_PART_FOREIGN) &&
			  foreign_step(&w->foreign, o, &w->rates, &w->capacity);
}

/* Whether penstockd itself has not run for so long that its plan was old, as when the whole machine
 * stops. Fronts admitted all clients meanwhile, and no tick tells when they came. */
static bool has_slept(const struct window *w, const struct window_input *in)
{
	return US_IN_S * in->dt_s > PLAN_STALE_US && w->view.law != LAW_OPEN &&
	       window_has(&w->config, WINDOW_PART_STOP);
}

/* A tick that looks back on such a time decides nothing, and nothing is learned of it. */
static void wake(struct window *w, struct observation *o, struct plan_service *ret_service)
{
	w->view = *o->before;
	w->rates.last = *o->in->load;
	w->knee.over_s = 0;
	o->machine = w->view.machine;
	o->server = w->view.server;
	o->refusing = w->view.refusing;
	window_plan(&w->view, o, ret_service);
}

void window_step(struct window *w, const struct window_input *in, struct plan_service *ret_service)
{
	const struct window_view before = w->view;
	struct observation o = {
		.in = in, .config = &w->config, .before = &before, .dt = in->dt_s, .time = -1
	};
	double wanted;

	o.cores = sample_get(in->sample, SIGNAL_MTA_CORES, w->config.cores);
	w->view.regime = REGIME_NONE;
	w->view.equation = w->view.trust = w->view.prediction.per_s = -1;
	if (in->blind || !(in->load->known & (LOAD_IN_FLIGHT | LOAD_OFFERED))) {
		rates_pause(&w->rates);
		window_open_plan(&w->view, ret_service);
		judge_foreign(w, &o); /* also without a window, where it can be known */
		return;
	}
	if (has_slept(w, in)) {
		wake(w, &o, ret_service);
		return;
	}
	saturation_step(&w->saturation, &o);
	rates_step(&w->rates, &o);
	think_read(&w->think, &o);
	o.machine = machine_by(o.saturation);
	o.server = greeting_step(&w->greeting, &o, &w->rates);
	o.greeting_usual_s = w->greeting.usual_s;
	w->view.law = choose_law(w, in);
	o.growth_frozen = growth_freeze_step(&w->growth_freeze, &o, w->view.law) &&
			  window_has(&w->config, WINDOW_PART_GROWTH_FREEZE);
	wanted = w->view.law == LAW_CAPACITY ? capacity_law(w, &o) : pressure_law(w, &o);
	if (server_hangs(&o, &w->rates))
		o.server |= SERVER_HANGS;
	limit_window(w, &o, wanted);
	w->view.passing_per_s = passing(w);
	limit_by_queue(w, &o);
	w->view.saturation = o.saturation;
	w->view.machine = o.machine;
	w->view.server = o.server;
	w->view.refusing = o.refusing;
	w->view.growth_frozen = o.growth_frozen;
	w->view.completed_per_s = w->rates.completed;
	w->view.offered_per_s = w->rates.offered;
	w->view.admitted_per_s = w->rates.admitted;
	judge_foreign(w, &o);
	window_plan(&w->view, &o, ret_service);
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
