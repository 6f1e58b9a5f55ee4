#include "daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "capture.h"
#include "core/engine.h"
#include "config/engine_config.h"
#include "core/reply.h"
#include "front/front.h"
#include "front/remote.h"
#include "kernel/kernel.h"
#include "publish/control.h"
#include "publish/explain.h"
#include "publish/journal.h"
#include "publish/status.h"
#include "sensor/sensor.h"
#include "store/dirs.h"
#include "store/planfile.h"

#define RETRY_US (5 * US_PER_S)

/* A listener of this process: opened at start, and again and again while its address is not to be had. */
struct listener {
	const char *name;
	bool wanted, up;
	uint64_t retry_us;
	char why[256];
};

struct daemon {
	struct config config;
	const struct config_source *source;
	struct event_base *base;
	struct event *timer, *signals[4];
	int lock_fd;

	struct kernel *kernel;
	char bpf_why[256];
	struct registry *registry;
	struct remote *remote;
	struct planfile *planfile;
	struct engine engine;

	struct sample sample;
	struct load load;
	struct plan plan;

	struct front_env policy_env;
	struct counts policy_counts;
	void *policy;
	uint64_t policy_admitted; /* since the last tick: not yet in the kernel's count */
	struct plan_bucket policy_bucket;
	struct control *control;
	struct http *http;
	struct listener policy_listener, control_listener, http_listener;

	struct status status; /* the picture of the last tick */
	uint64_t started_us, level_since_realtime_us, reloaded_us, notified_us;
	uint64_t tick_durations[COUNTS_SLOTS], tick_sum_us, ticks_late, due_us;
	bool reload_ok, ready;
	int result;
};

/* ---- what the outside asks -------------------------------------------------------------------------------------- */

static struct verdict ask(void *context, struct front_env *env, const struct front_client *client,
			  char *reply)
{
	struct daemon *d = context;
	uint64_t now_us = clock_monotonic_us();
	const struct load_service *load = &d->load.service[client->service];
	struct counts_service *counts = &env->counts->service[client->service];
	/* The kernel counts the asking connection itself as open already. */
	double in_flight = fmax(0, load->in_flight - 1) + (double)d->policy_admitted;
	struct plan_request request = { .now_us = now_us,
					.service = client->service,
					.in_flight = (uint32_t)fmin(in_flight, 4e9),
					.waiting = 0, /* who asks waits by asking */
					.score = PLAN_UNLIMITED,
					.trusted = config_trusted(&d->config, &client->address) };
	struct verdict v;

	request.tokens_milli =
		plan_bucket_refill(&d->policy_bucket, &d->plan.service[client->service], now_us);
	v = plan_decide(&d->plan, &request);
	counts_verdict(counts, v);
	if (v.admit) {
		d->policy_admitted++;
		if (!v.would_defer)
			plan_bucket_take(&d->policy_bucket);
	} else {
		reply_text(reply, REPLY_MAX + 1, d->config.service[client->service].reply_code,
			   (enum reason)v.reason, d->plan.order_until_us);
		if (d->kernel && client->port)
			kernel_smtp_mark_refused(d->kernel, client->service, &client->address,
						 client->port, now_us);
	}
	return v;
}

static const struct status *get_status(void *context)
{
	return &((struct daemon *)context)->status;
}

static int set_mode(void *context, enum plan_mode mode, char *why)
{
	struct daemon *d = context;

	engine_set_mode(&d->engine, mode);
	log_notice(
		"mode is now %s, by order of an operator; a restart or reload goes back to what is configured",
		mode == PLAN_OBSERVE ? "observe" : "enforce");
	return 0;
}

static int drain(void *context, uint64_t for_us, const char *reason, char *why)
{
	struct daemon *d = context;

	engine_order(&d->engine, STATE_DRAINING, for_us ? clock_realtime_us() + for_us : 0, reason);
	return 0;
}

static int resume(void *context, char *why)
{
	struct daemon *d = context;

	engine_order(&d->engine, STATE_SERVING, 0, NULL);
	return 0;
}

static int reload(void *context, char *why);

static void explain(void *context, const char *address, struct text *text)
{
	struct daemon *d = context;

	explain_status(&d->status, address, text);
}

static const struct control_ops control_ops = { .status = get_status,
						.set_mode = set_mode,
						.drain = drain,
						.resume = resume,
						.reload = reload,
						.explain = explain };

/* CPUs that this process may use. */
static double cores(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static void open_sensors(struct daemon *d)
{
	struct sensor_env env = { .config = &d->config };
	int r;

	if (!d->config.bpf)
		snprintf(d->bpf_why, sizeof(d->bpf_why), "switched off: daemon.bpf = no");
	else if ((r = kernel_open(&d->config, &d->kernel, d->bpf_why)) < 0)
		log_warning(
			"BPF is not used: %s; the next best sources are read instead, mail is not affected",
			d->bpf_why);
	env.kernel = d->kernel;
	env.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env.sys_fd = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env.cgroup_fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = registry_open(&env, &d->registry);
	if (r < 0)
		log_error(
			"no sensor can be opened: %s; penstock is blind and everything is admitted",
			strerror(-r));
	for (unsigned i = 0; d->registry && i < registry_count(d->registry); i++) {
		const struct sensor_status *s = registry_status(d->registry, i);

		if (s->state != SENSOR_OK)
			log_info("sensor %s is not used: %s", s->name, s->why);
	}
}

static void close_sensors(struct daemon *d)
{
	registry_close(d->registry);
	d->registry = NULL;
	kernel_close(d->kernel);
	d->kernel = NULL;
	d->bpf_why[0] = 0;
}

static void listener_result(struct listener *l, int r, uint64_t now_us)
{
	bool first = l->retry_us == 0;

	l->up = r == 0;
	l->retry_us = r == 0 ? 0 : now_us + RETRY_US;
	if (r < 0 && first)
		log_error("%s is not served: %s; trying again every %d s, mail is not affected",
			  l->name, l->why[0] ? l->why : strerror(-r), (int)(RETRY_US / US_PER_S));
	else if (r == 0 && !first)
		log_notice("%s is served now", l->name);
}

/* Opens what is wanted and not open, when its time has come. */
static void open_listeners(struct daemon *d, uint64_t now_us)
{
	struct listener *l = &d->policy_listener;

	if (l->wanted && !d->policy && now_us >= l->retry_us) {
		l->why[0] = 0;
		listener_result(
			l, front_policy.open(&d->policy_env, &d->config.policy, &d->policy, l->why),
			now_us);
	}
	l = &d->control_listener;
	if (l->wanted && !d->control && now_us >= l->retry_us) {
		l->why[0] = 0;
		listener_result(
			l, control_open(d->base, &d->config, &control_ops, d, &d->control, l->why),
			now_us);
	}
	l = &d->http_listener;
	if (l->wanted && !d->http && now_us >= l->retry_us) {
		l->why[0] = 0;
		listener_result(l,
				http_open(d->base, &d->config, &control_ops, d, &d->http, l->why),
				now_us);
	}
}

static void close_policy(struct daemon *d)
{
	if (d->policy)
		front_policy.close(d->policy);
	d->policy = NULL;
}

static void want_listeners(struct daemon *d)
{
	d->policy_listener.name = "the policy service";
	d->policy_listener.wanted = d->config.policy.enabled;
	d->control_listener.name = "the control socket";
	d->control_listener.wanted = true;
	d->http_listener.name = "HTTP";
	d->http_listener.wanted = d->config.http_listen.kind != ENDPOINT_NONE;
	d->policy_env.base = d->base;
	d->policy_env.config = &d->config;
	d->policy_env.counts = &d->policy_counts;
	d->policy_env.ask = ask;
	d->policy_env.context = d;
}

/* ---- the tick --------------------------------------------------------------------------------------------------- */

/* The policy service's own counts join what the kernel and the other fronts see. */
static void put_policy_load(struct daemon *d)
{
	if (!d->policy)
		return;
	d->policy_admitted = 0;
	for (unsigned i = 0; i < d->config.services; i++) {
		const struct counts_service *c = &d->policy_counts.service[i];
		struct load_service *l = &d->load.service[i];

		if (c->offered == 0)
			continue;
		l->offered += c->offered;
		l->admitted += c->admitted;
		l->deferred += c->deferred;
		l->would_defer += c->would_defer;
		l->known |= LOAD_OFFERED;
	}
}

static void capture_status(struct daemon *d, uint64_t now_us, uint64_t realtime_us)
{
	struct status *s = &d->status;

	if (s->view.level.number != d->engine.view.level.number || d->level_since_realtime_us == 0)
		d->level_since_realtime_us = realtime_us;
	s->version = PENSTOCK_VERSION;
	s->now_us = now_us;
	s->realtime_us = realtime_us;
	s->started_us = d->started_us;
	s->config = &d->config;
	s->view = d->engine.view;
	s->sample = d->sample;
	s->load = d->load;
	s->plan = d->plan;
	capture_sensors(s, d->registry);
	s->tick = d->engine.ticks;
	capture_fronts(s, d->policy_listener.wanted ? &d->policy_counts : NULL,
		       d->policy_listener.up, d->policy_listener.why, d->remote);
	memcpy(s->tick_durations, d->tick_durations, sizeof(s->tick_durations));
	s->tick_sum_us = d->tick_sum_us;
	s->ticks_late = d->ticks_late;
	s->level_since_realtime_us = d->level_since_realtime_us;
	s->reload_ok = d->reload_ok;
	s->reloaded_realtime_us = d->reloaded_us;
	s->log_dropped = log_dropped();
	s->bpf_why = d->kernel ? NULL : d->bpf_why;
	s->runq_count = 0;
	if (d->kernel)
		kernel_runq_histogram(d->kernel, s->runq_slots, &s->runq_sum_us, &s->runq_count);
}

static void notify(struct daemon *d, uint64_t now_us)
{
	const struct engine_view *v = &d->engine.view;

	if (!d->ready) {
		d->ready = true;
		sd_notify(0, "READY=1");
	}
	if (now_us - d->notified_us >= 5 * US_PER_S || d->notified_us == 0) {
		d->notified_us = now_us;
		sd_notifyf(0, "STATUS=%s, %s, pressure %.2f (%s), %.0f in flight",
			   engine_state_name(v->state), level_name(v->level.number),
			   v->pressure.combined, resource_name(v->pressure.driver),
			   fmax(0, v->in_flight));
	}
	sd_notify(0, "WATCHDOG=1");
}

/* The table of contents of the daemon. The watchdog is petted last, so that a stuck tick is not petted. */
static void tick(evutil_socket_t fd, short what, void *context)
{
	struct daemon *d = context;
	uint64_t now_us = clock_monotonic_us(), realtime_us = clock_realtime_us(), took_us;

	sample_clear(&d->sample, now_us);
	memset(&d->load, 0, sizeof(d->load));
	if (d->remote) {
		remote_poll(d->remote, now_us);
		remote_put(d->remote, now_us, &d->load, &d->sample);
	}
	put_policy_load(d);
	if (d->registry)
		registry_poll(d->registry, now_us, &d->sample, &d->load);
	engine_step(&d->engine, &d->sample, &d->load, realtime_us, &d->plan);
	planfile_write(d->planfile, &d->plan);
	journal_publish(&d->status, &d->engine.view, realtime_us);
	capture_status(d, now_us, realtime_us);
	if (d->control)
		control_publish(d->control);
	open_listeners(d, now_us);

	took_us = clock_monotonic_us() - now_us;
	d->tick_durations[counts_slot(took_us)]++;
	d->tick_sum_us += took_us;
	if (d->due_us && now_us > d->due_us + d->config.tick_us)
		d->ticks_late++;
	d->due_us = now_us + d->config.tick_us;
	notify(d, now_us);
}

/* ---- reload ----------------------------------------------------------------------------------------------------- */

static bool sensors_differ(const struct config *a, const struct config *b)
{
	return a->bpf != b->bpf || a->services != b->services ||
	       memcmp(a->service, b->service, sizeof(a->service)) != 0 ||
	       memcmp(a->interfaces, b->interfaces, sizeof(a->interfaces)) != 0 ||
	       a->nic_speed_bits_per_s != b->nic_speed_bits_per_s;
}

static bool endpoint_differs(const struct endpoint *a, const struct endpoint *b)
{
	return strcmp(a->text, b->text) != 0;
}

/* Swaps in a validated configuration: what did not change keeps running untouched. */
static void apply(struct daemon *d, const struct config *fresh)
{
	bool sensors = sensors_differ(&d->config, fresh);
	bool http = endpoint_differs(&d->config.http_listen, &fresh->http_listen);
	bool policy = memcmp(&d->config.policy, &fresh->policy, sizeof(fresh->policy)) != 0;
	struct engine_config engine;

	if (sensors)
		close_sensors(d);
	if (policy)
		close_policy(d);
	if (http && d->http) {
		http_close(d->http);
		d->http = NULL;
	}
	d->config = *fresh;
	engine_config_from(&d->config, cores(), &engine);
	engine_configure(&d->engine, &engine);
	log_set_level(d->config.log_level);
	if (sensors)
		open_sensors(d);
	d->http_listener.retry_us = d->policy_listener.retry_us = 0;
	want_listeners(d);
	open_listeners(d, clock_monotonic_us());
}

static int reload(void *context, char *why)
{
	struct daemon *d = context;
	_cleanup_free_ struct config *fresh = calloc(1, sizeof(*fresh));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));
	int r;

	if (!fresh || !errors)
		return -ENOMEM;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
	r = config_load(d->source, fresh, errors);
	if (r == 0 && strcmp(fresh->run_dir, d->config.run_dir) != 0) {
		snprintf(why, 256, "daemon.run_dir cannot change in a running daemon: restart it");
		r = -EINVAL;
	} else if (r < 0) {
		config_error_print(&errors->error[0], why, 256);
		for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
			char line[640];

			config_error_print(&errors->error[i], line, sizeof(line));
			log_error("%s", line);
		}
	}
	d->reload_ok = r == 0;
	d->reloaded_us = clock_realtime_us();
	if (r == 0) {
		apply(d, fresh);
		log_notice("configuration reloaded");
	} else {
		log_error("the configuration was not reloaded, the one in force stays: %s", why);
	}
	sd_notify(0, "READY=1");
	return r;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct daemon *d = context;
	char why[256] = "";

	if (number == SIGHUP) {
		reload(d, why);
		return;
	}
	sd_notify(0, "STOPPING=1");
	event_base_loopexit(d->base, NULL);
}

static int open_loop(struct daemon *d)
{
	static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };
	struct timeval interval = { (time_t)(d->config.tick_us / US_PER_S),
				    (suseconds_t)(d->config.tick_us % US_PER_S) };

	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		d->signals[i] = evsignal_new(d->base, numbers[i], on_signal, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	d->timer = event_new(d->base, -1, EV_PERSIST, tick, d);
	if (!d->timer || event_add(d->timer, &interval) < 0)
		return -ENOMEM;
	return 0;
}

int daemon_new(const struct config *config, const struct config_source *source,
	       struct daemon **ret_daemon, char *why)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct engine_config engine;
	uint64_t seed = 0;
	int r;

	if (!d) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	*ret_daemon = d;
	d->lock_fd = -1;
	d->config = *config;
	d->source = source;
	d->reload_ok = true;
	d->started_us = d->reloaded_us = clock_realtime_us();
	d->lock_fd = r = dirs_take_run(d->config.run_dir, why);
	if (r < 0)
		return r;
	r = planfile_open(d->config.run_dir, &d->planfile);
	if (r < 0) {
		snprintf(
			why, 256,
			"cannot write the plan in %s: %s; free space there, then start again (mail flows meanwhile)",
			d->config.run_dir, strerror(-r));
		return r;
	}
	r = dirs_check_state(d->config.state_dir);
	if (r < 0)
		log_warning(
			"the state directory %s cannot be written: %s; nothing is remembered over a restart until that is mended, mail is not affected",
			d->config.state_dir, strerror(-r));
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = clock_realtime_us() ^ ((uint64_t)getpid() << 40);
	engine_config_from(&d->config, cores(), &engine);
	engine_init(&d->engine, &engine, seed);
	d->base = event_base_new();
	if (!d->base) {
		snprintf(why, 256, "no event loop can be had: %s", strerror(errno));
		return -ENOMEM;
	}
	counts_init(&d->policy_counts, "policy", 0);
	r = remote_open(d->config.run_dir, &d->remote);
	if (r < 0)
		log_error(
			"cannot watch %s/counts: %s; proxies are not seen, they follow the plan all the same",
			d->config.run_dir, strerror(-r));
	open_sensors(d);
	want_listeners(d);
	r = open_loop(d);
	if (r < 0)
		snprintf(why, 256, "the event loop takes no events");
	return r;
}

int daemon_run(struct daemon *d)
{
	log_notice("penstockd " PENSTOCK_VERSION " runs in %s mode on %s, tick %llu ms",
		   d->config.mode == PLAN_OBSERVE ? "observe" : "enforce", d->config.run_dir,
		   (unsigned long long)(d->config.tick_us / US_PER_MS));
	if (mlockall(MCL_CURRENT | MCL_ONFAULT) < 0)
		log_debug("memory is not locked: %s", strerror(errno));
	tick(-1, 0, d);
	if (event_base_dispatch(d->base) < 0)
		return -EIO;
	log_notice("penstockd stops: fronts admit everything from now on");
	return d->result;
}

void daemon_free(struct daemon *d)
{
	if (!d)
		return;
	planfile_close(d->planfile); /* first: nobody obeys a plan of a daemon that is going */
	if (d->policy)
		front_policy.drain(d->policy);
	close_policy(d);
	control_close(d->control);
	http_close(d->http);
	close_sensors(d);
	remote_close(d->remote);
	if (d->timer)
		event_free(d->timer);
	for (unsigned i = 0; i < ARRAY_SIZE(d->signals); i++)
		if (d->signals[i])
			event_free(d->signals[i]);
	if (d->base)
		event_base_free(d->base);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d);
}
