#include "daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/random.h"
#include "config/engine_config.h"
#include "config/reload.h"
#include "fleet/fleet.h"
#include "front/desk.h"
#include "front/fronts.h"
#include "front/proxy_counters.h"
#include "host/logind.h"
#include "host/maintenance.h"
#include "host/notify.h"
#include "host/orders.h"
#include "host/signals.h"
#include "host/timer.h"
#include "publish/levelfile.h"
#include "publish/publishing.h"
#include "sensor/sensing.h"
#include "sources/sources.h"
#include "store/dirs.h"
#include "store/history.h"
#include "store/learned.h"
#include "store/planfile.h"
#include "store/recording.h"

#define LITTLE_PRESSURE 0.5 /* half of what is tolerable: below it sensors may be read less often */

struct daemon {
	struct config config;
	const struct config_source *source;
	struct event_base *base;
	struct signals *signals;
	int lock_fd;

	/* What is measured. */
	struct timer *timer;
	struct sensing *sensing;
	struct proxy_counters *proxy_counters; /* NULL: proxies are not seen */
	struct sample sample; /* of the last tick, and so are load and plan */
	struct load load;
	/* What is decided. */
	struct engine engine;
	struct sources *sources;
	struct fleet *fleet; /* what other hosts know */
	struct recording *recording;
	struct learned *learned;
	struct plan plan;
	/* The fronts. */
	struct planfile *planfile;
	struct desk desk;
	struct front_env front_env;
	struct fronts *fronts;
	/* Outputs and orders. These, the desk and the plan are held by value: they open nothing
	 * that can fail, so there is nothing to allocate and no part is ever missing. */
	struct orders orders;
	struct maintenance maintenance;
	struct history *history;
	struct publishing *publishing;
	struct levelfile levelfile;
	struct notify notify;
	struct logind *logind;
};

/* ---- the tick ------------------------------------------------------------------------------- */

static bool has_little_pressure(const struct engine_view *v)
{
	return v->pressure.any_known && v->pressure.combined < LITTLE_PRESSURE &&
	       v->level.number == 0;
}

static enum urgency urgency(const struct daemon *d, bool urgent)
{
	if (urgent)
		return URGENCY_URGENT;
	return has_little_pressure(&d->engine.view) ? URGENCY_IDLE : URGENCY_NORMAL;
}

/* The sensors look at the namespace of the sessions, which the fronts know, and the fronts use the
 * probes that the sensors have opened. */
static void follow_netns(struct daemon *d)
{
	uint32_t netns;

	if (fronts_netns(d->fronts, &netns))
		sensing_follow(d->sensing, netns);
	d->front_env.kernel = sensing_kernel(d->sensing);
}

/* One tick. All parts of the daemon meet here, and only here. */
static void tick(void *context, bool urgent)
{
	struct daemon *d = context;
	const struct engine_view *view = &d->engine.view;
	uint64_t now_us = clock_monotonic_us(), realtime_us = clock_realtime_us();

	/* Measure. */
	sample_clear(&d->sample, now_us);
	memset(&d->load, 0, sizeof(d->load));
	proxy_counters_poll(d->proxy_counters, now_us);
	proxy_counters_put(d->proxy_counters, now_us, &d->load, &d->sample);
	desk_tick(&d->desk);
	fronts_poll(d->fronts, now_us, &d->load);
	follow_netns(d);
	sensing_poll(d->sensing, now_us, urgency(d, urgent), &d->sample, &d->load);
	proxy_counters_tell(d->proxy_counters, desk_seen_elsewhere, &d->desk, now_us);
	/* Decide. */
	maintenance_tick(&d->maintenance, now_us, realtime_us);
	recording_inputs(d->recording, &d->sample, &d->load, realtime_us);
	engine_step(&d->engine, &d->sample, &d->load, realtime_us, &d->plan);
	sources_plan(d->sources, &d->engine, &d->load, now_us, realtime_us, &d->plan);
	/* after sources_plan(): the table has to know the time */
	fleet_tick(d->fleet, view, now_us, realtime_us);
	recording_answer(d->recording, &d->plan);
	fleet_steer(d->fleet, realtime_us, &d->plan);
	learned_keep(d->learned, now_us, realtime_us);
	/* Publish. */
	planfile_write(d->planfile, &d->plan);
	fronts_push(d->fronts, &d->plan, &d->load, now_us);
	levelfile_step(&d->levelfile, view, now_us);
	publishing_step(d->publishing, sensing_registry(d->sensing), now_us, realtime_us);
	logind_tick(d->logind, now_us, view->in_flight);
	timer_adapt(d->timer, has_little_pressure(view) && view->state == STATE_SERVING, &d->load,
		    d->config.services, now_us);
	/* Last: a tick that hangs must not feed the watchdog. */
	notify_step(&d->notify, view, now_us);
}

/* ---- another configuration ------------------------------------------------------------------ */

/* Swaps a validated configuration in. Each part decides itself what it can take while it runs. */
static void apply(struct daemon *d, const struct config *fresh, struct config *before)
{
	uint64_t now_us = clock_monotonic_us();
	struct engine_config engine;

	publishing_hold(d->publishing);
	*before = d->config;
	d->config = *fresh;
	log_set_level(d->config.log_level);
	engine_config_from(&d->config, cpus_allowed(), &engine);
	engine_configure(&d->engine, &engine);
	timer_configure(d->timer, &d->config);
	sources_configure(d->sources, &d->config);
	fleet_configure(d->fleet, &d->config);
	maintenance_configure(&d->maintenance, &d->config);
	recording_configure(d->recording, &d->config);
	sensing_configure(d->sensing, &d->config);
	d->front_env.kernel = sensing_kernel(d->sensing);
	proxy_counters_configure(d->proxy_counters, &d->config);
	fronts_configure(d->fronts, before, now_us);
	publishing_configure(d->publishing, now_us);
}

static int reload(void *context, char *why)
{
	struct daemon *d = context;
	_cleanup_free_ struct config *fresh = calloc(1, sizeof(*fresh));
	_cleanup_free_ struct config *before = calloc(1, sizeof(*before));
	int r;

	if (!fresh || !before)
		return -ENOMEM;
	notify_reloading(clock_monotonic_us());
	r = config_reload(d->source, &d->config, fresh, why);
	publishing_reloaded(d->publishing, r == 0, clock_realtime_us());
	if (r == 0) {
		apply(d, fresh, before);
		log_notice("configuration reloaded");
	}
	notify_reloaded(&d->notify);
	return r;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void on_reload(void *context)
{
	char why[256] = "";

	reload(context, why);
}

static int open_loop(struct daemon *d)
{
	int r;

	d->base = event_base_new();
	if (!d->base)
		return -ENOMEM;
	r = signals_open(d->base, on_reload, d, &d->signals);
	return r < 0 ? r : timer_open(d->base, &d->config, tick, d, &d->timer);
}

static int open_dirs(struct daemon *d, char *why)
{
	int r = dirs_take_run(d->config.run_dir, why);

	if (r < 0)
		return r;
	d->lock_fd = r;
	r = planfile_open(d->config.run_dir, &d->planfile);
	if (r < 0)
		snprintf(
			why, 256,
			"Cannot write the plan in %.80s: %s. Mail flows unprotected. Free space there, then start penstockd again.",
			d->config.run_dir, strerror(-r));
	else
		dirs_check_state(d->config.state_dir);
	return r;
}

/* Opens the engine, the table of sources, and what both have learned. */
static int open_engine(struct daemon *d)
{
	struct engine_config engine;
	struct source_table *table;
	uint64_t seed[3];
	int r;

	random_fill(seed, ARRAY_SIZE(seed));
	engine_config_from(&d->config, cpus_allowed(), &engine);
	engine_init(&d->engine, &engine, seed[0]);
	r = sources_open(&d->config, seed + 1, &d->sources);
	if (r < 0)
		return r;
	table = sources_table(d->sources);
	r = fleet_open(&d->config, table, &d->fleet);
	if (r < 0)
		return r;
	sources_watch(d->sources, fleet_events, d->fleet);
	r = history_open(d->config.state_dir, &d->history);
	if (r < 0)
		return r;
	r = learned_open(d->config.state_dir, &d->engine, table, &d->learned);
	return r < 0 ? r : recording_open(&d->config, &d->engine, table, &d->recording);
}

/* Opens what gives orders. */
static int open_orders(struct daemon *d)
{
	d->orders = (struct orders){ .engine = &d->engine,
				     .recording = d->recording,
				     .run_dir = d->config.run_dir };
	d->levelfile.run_dir = d->config.run_dir;
	orders_restore(&d->orders);
	d->maintenance.orders = &d->orders;
	maintenance_configure(&d->maintenance, &d->config);
	return logind_open(d->base, NULL, &orders_logind_ops, &d->orders, &d->logind);
}

/* Opens the fronts. */
static int open_fronts(struct daemon *d)
{
	int r;

	d->desk = (struct desk){ .env = &d->front_env,
				 .sources = d->sources,
				 .recording = d->recording,
				 .plan = &d->plan,
				 .load = &d->load };
	d->front_env = (struct front_env){ .base = d->base,
					   .config = &d->config,
					   .kernel = sensing_kernel(d->sensing),
					   .desk = &desk_ops,
					   .context = &d->desk };
	r = fronts_open(&d->front_env, &d->fronts);
	d->desk.fronts = d->fronts;
	return r;
}

/* Opens the outputs, last, because the snapshot shows all other parts. */
static int open_publishing(struct daemon *d)
{
	const struct publishing_env env = {
		.base = d->base,
		.parts = { .config = &d->config,
			   .engine = &d->engine,
			   .sample = &d->sample,
			   .load = &d->load,
			   .plan = &d->plan,
			   .maintenance = &d->maintenance.view,
			   .sensing = d->sensing,
			   .proxy_counters = d->proxy_counters,
			   .fronts = d->fronts,
			   .sources = d->sources,
			   .learned = d->learned,
			   .history = d->history,
			   .fleet = d->fleet,
			   .timer = d->timer,
			   .logind = d->logind },
		.sources = d->sources,
		.history = d->history,
		.orders = &d->orders,
		.reload = reload,
		.context = d,
	};

	return publishing_open(&env, &d->publishing);
}

/* Opens all parts but the directories. */
static int open_parts(struct daemon *d)
{
	int r = open_engine(d);

	if (r < 0)
		return r;
	d->proxy_counters = proxy_counters_open(&d->config);
	/* Before the sensors: if descriptors are short, the sensors have to do without. */
	r = open_loop(d);
	if (r == 0)
		r = sensing_open(&d->config, &d->sensing);
	if (r == 0)
		r = open_fronts(d);
	if (r == 0)
		r = open_orders(d);
	return r < 0 ? r : open_publishing(d);
}

static void tell_start(int error, char *why)
{
	snprintf(
		why, 256,
		"Cannot start penstockd: %s. Mail flows unprotected. Give it more memory or descriptors (MemoryMax=, LimitNOFILE=), then start it again.",
		strerror(error));
}

int daemon_new(const struct config *config, const struct config_source *source,
	       struct daemon **ret_daemon, char *why)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int r;

	if (!d) {
		tell_start(ENOMEM, why);
		return -ENOMEM;
	}
	*ret_daemon = d;
	/* The heap is two megabytes and locked; with one huge page it would take twice as much for
	 * good. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	d->lock_fd = -1;
	d->config = *config;
	d->source = source;
	r = open_dirs(d, why);
	if (r < 0)
		return r;
	r = open_parts(d);
	if (r < 0)
		tell_start(-r, why);
	return r;
}

int daemon_run(struct daemon *d)
{
	char tick[DURATION_PRINTED];

	log_notice("penstockd " PENSTOCK_VERSION " runs in %s mode on %s, tick %s",
		   d->config.mode == PLAN_OBSERVE ? "observe" : "enforce", d->config.run_dir,
		   duration_print_us(d->config.tick_us, tick));
	if (mlockall(MCL_CURRENT | MCL_ONFAULT) < 0)
		log_debug("memory is not locked: %s", strerror(errno));
	timer_tick(d->timer);
	if (event_base_dispatch(d->base) < 0)
		return -EIO;
	log_notice("penstockd stops: fronts admit everything from now on");
	return 0;
}

void daemon_free(struct daemon *d)
{
	if (!d)
		return;
	levelfile_close(&d->levelfile);
	/* first, so that no front follows the plan of a daemon that ends */
	planfile_close(d->planfile);
	fronts_close(d->fronts);
	publishing_close(d->publishing);
	logind_close(d->logind);
	sensing_close(d->sensing);
	proxy_counters_close(d->proxy_counters);
	timer_close(d->timer);
	recording_close(d->recording);
	fleet_close(d->fleet);
	sources_close(d->sources);
	learned_close(d->learned);
	history_close(d->history);
	signals_close(d->signals);
	if (d->base)
		event_base_free(d->base);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d);
}
