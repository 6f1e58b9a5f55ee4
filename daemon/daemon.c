#include "daemon.h"

#include <errno.h>
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
#include "base/log.h"
#include "capture.h"
#include "config/engine_config.h"
#include "daemon_parts.h"
#include "publish/journal.h"
#include "store/dirs.h"

#define PET_US (US_PER_S / 2) /* between two strokes of the watchdog */
#define STIR_US (5 * US_PER_S) /* nothing stirs for so long: the machine rests */
#define WARM_US (10 * US_PER_S) /* between two looks at what was learned */
/* CPUs that this process may use. */
double daemon_cores(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

/* ---- sensors ---------------------------------------------------------------------------------------------------- */

void daemon_open_sensors(struct daemon *d)
{
	struct sensor_env env = { .config = &d->config };
	int r;

	d->sensors_netns = daemon_gate_netns(d);
	if (!d->config.bpf)
		snprintf(d->bpf_why, sizeof(d->bpf_why), "switched off: daemon.bpf = no");
	else if ((r = kernel_open(&d->config, &d->kernel, d->bpf_why)) < 0)
		log_warning(
			"BPF is not used: %s; the next best sources are read, mail is not affected",
			d->bpf_why);
	env.kernel = d->kernel;
	env.proc_fd = d->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env.sys_fd = d->sys_fd = open("/sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env.cgroup_fd = d->cgroup_fd = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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

void daemon_close_sensors(struct daemon *d)
{
	int *const fds[] = { &d->proc_fd, &d->sys_fd, &d->cgroup_fd };

	registry_close(d->registry);
	d->registry = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	kernel_close(d->kernel);
	d->kernel = NULL;
	d->bpf_why[0] = 0;
}

/* ---- the tick --------------------------------------------------------------------------------------------------- */

/* Once a tick: what the next one compares itself with for the journal. The rest of the picture is large, seldom asked for, and taken
 * when it is: daemon_status(). */
static void note_status(struct daemon *d, uint64_t now_us, uint64_t realtime_us)
{
	struct status *s = &d->status;

	if (s->view.level.number != d->engine.view.level.number || d->level_since_realtime_us == 0)
		d->level_since_realtime_us = realtime_us;
	s->now_us = now_us;
	s->realtime_us = realtime_us;
	s->view = d->engine.view;
	daemon_note_sources(d);
	note_sensors(s, d->registry);
	s->tick = d->engine.ticks;
	d->status_stale = true;
}

const struct status *daemon_status(struct daemon *d)
{
	struct status *s = &d->status;

	if (!d->status_stale)
		return s;
	d->status_stale = false;
	s->version = PENSTOCK_VERSION;
	s->started_us = d->started_us;
	s->config = &d->config;
	s->sample = d->sample;
	s->load = d->load;
	s->plan = d->plan;
	capture_sensors(s, d->registry);
	capture_fronts(s, d->remote);
	if (d->policy_listener.wanted)
		capture_front(s, &d->policy_counts, d->policy_listener.up, d->policy_listener.why);
	if (d->gating.listener.wanted)
		capture_front(s, &d->gating.counts, d->gating.listener.up && !d->gating.passing,
			      d->gating.passing ? d->gating.passing_why : d->gating.listener.why);
	memcpy(s->tick_durations, d->tick_durations, sizeof(s->tick_durations));
	s->tick_sum_us = d->tick_sum_us;
	capture_pace(s, d->pace);
	s->level_since_realtime_us = d->level_since_realtime_us;
	s->reload_ok = d->reload_ok;
	s->reloaded_realtime_us = d->reloaded_us;
	s->log_dropped = log_dropped();
	s->bpf_why = d->kernel ? NULL : d->bpf_why;
	s->shutdown_why = d->logind ? logind_why(d->logind) : "out of memory";
	s->runq_count = 0;
	if (d->kernel)
		kernel_runq_histogram(d->kernel, s->runq_slots, &s->runq_sum_us, &s->runq_count);
	return s;
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
	/* Each one wakes the service manager. */
	if (now_us - d->petted_us >= PET_US) {
		d->petted_us = now_us;
		sd_notify(0, "WATCHDOG=1");
	}
}

#define CALM_PRESSURE 0.5

/* How soon sensors are wanted: half of what is tolerable is far away. */
static enum registry_haste haste(const struct daemon *d, bool urgent)
{
	const struct engine_view *v = &d->engine.view;

	if (urgent)
		return REGISTRY_URGENT;
	return v->pressure.any_known && v->pressure.combined < CALM_PRESSURE && v->level.number == 0
		       ? REGISTRY_CALM
		       : REGISTRY_NORMAL;
}

/* Whether nothing presses and nobody has been served for a while. Where sessions are not seen it cannot be known. */
static bool rests(struct daemon *d, uint64_t now_us)
{
	uint64_t offered = 0;
	bool stirs = haste(d, false) != REGISTRY_CALM || d->engine.view.state != STATE_SERVING;

	for (unsigned i = 0; i < d->config.services; i++) {
		const struct load_service *l = &d->load.service[i];

		stirs |= !(l->known & LOAD_IN_FLIGHT) || l->in_flight > 0;
		offered += l->offered;
	}
	if (stirs || offered != d->offered || !d->stirred_us)
		d->stirred_us = now_us;
	d->offered = offered;
	return now_us - d->stirred_us >= STIR_US;
}

/* What was learned before bounds the first guess; what is learned from now on is kept. */
static void open_warmstart(struct daemon *d)
{
	struct warmstart warm;
	int r = warmstart_load(d->config.state_dir, clock_realtime_us(), daemon_cores(), &warm);

	if (r == 0) {
		warmstart_restore(&warm, &d->engine, d->sources.table);
		log_info("going on from what was learned before");
	}
	r = warmstart_open(d->config.state_dir, &d->warmstart);
	if (r < 0)
		log_debug("what is learned is not kept: %s", strerror(-r));
}

static void keep_learned(struct daemon *d, uint64_t now_us, uint64_t realtime_us)
{
	struct warmstart warm;
	bool learned = false;

	if (!d->warmstart || now_us - d->warmed_us < WARM_US)
		return;
	d->warmed_us = now_us;
	warmstart_save(&d->engine, d->sources.table, realtime_us, daemon_cores(), &warm);
	for (int i = 0; i < PLAN_SERVICES; i++)
		learned |= warm.engine.service[i].capacity_per_s > 0;
	if (learned) /* what is kept from before is better than nothing */
		warmstart_put(d->warmstart, &warm);
}

/* The table of contents of the daemon. The watchdog is petted last, so that a stuck tick is not petted. */
static void tick(void *context, bool urgent)
{
	struct daemon *d = context;
	uint64_t now_us = clock_monotonic_us(), realtime_us = clock_realtime_us(), took_us;

	sample_clear(&d->sample, now_us);
	memset(&d->load, 0, sizeof(d->load));
	if (d->remote) {
		remote_poll(d->remote, now_us);
		remote_put(d->remote, now_us, &d->load, &d->sample);
	}
	daemon_put_own_load(d);
	daemon_poll_gate(d, now_us);
	if (d->registry)
		registry_poll(d->registry, now_us, haste(d, urgent), &d->sample, &d->load);
	daemon_note_proxies(d, now_us);
	recorder_inputs(d->recorder, &d->engine, &d->sample, &d->load, realtime_us);
	engine_step(&d->engine, &d->sample, &d->load, realtime_us, &d->plan);
	daemon_plan_sources(d, now_us, realtime_us);
	recorder_answer(d->recorder, &d->engine, &d->plan, d->sources.table != NULL);
	keep_learned(d, now_us, realtime_us);
	planfile_write(d->planfile, &d->plan);
	daemon_push_gate(d, now_us);
	journal_publish(&d->status, &d->engine.view, realtime_us);
	if (d->registry)
		journal_neighbours(&d->status, &d->engine.view, registry_neighbours(d->registry),
				   now_us);
	note_status(d, now_us, realtime_us);
	if (d->control)
		control_publish(d->control, &d->engine.view);
	daemon_open_listeners(d, now_us);
	if (d->logind)
		logind_tick(d->logind, now_us, d->engine.view.in_flight);

	pace_rest(d->pace, rests(d, now_us));
	took_us = clock_monotonic_us() - now_us;
	d->tick_durations[counts_slot(took_us)]++;
	d->tick_sum_us += took_us;
	notify(d, now_us);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct daemon *d = context;
	char why[256] = "";

	if (number == SIGHUP) {
		daemon_reload(d, why);
		return;
	}
	sd_notify(0, "STOPPING=1");
	event_base_loopexit(d->base, NULL);
}

static int open_loop(struct daemon *d)
{
	static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is an error like a full disk */
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		d->signals[i] = evsignal_new(d->base, numbers[i], on_signal, d);
		if (!d->signals[i] || event_add(d->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return pace_open(d->base, &d->config, tick, d, &d->pace);
}

int daemon_new(const struct config *config, const struct config_source *source,
	       struct daemon **ret_daemon, char *why)
{
	struct daemon *d = calloc(1, sizeof(*d));
	struct engine_config engine;
	uint64_t seed[3] = { 0 };
	int r;

	if (!d) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	*ret_daemon = d;
	d->lock_fd = d->proc_fd = d->sys_fd = d->cgroup_fd = -1;
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
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
		seed[0] = clock_realtime_us() ^ ((uint64_t)getpid() << 40);
		seed[1] = seed[2] = seed[0] * UINT64_C(0x9e3779b97f4a7c15);
	}
	engine_config_from(&d->config, daemon_cores(), &engine);
	engine_init(&d->engine, &engine, seed[0]);
	daemon_open_sources(d, seed + 1);
	open_warmstart(d);
	daemon_open_recorder(d);
	d->base = event_base_new();
	if (!d->base) {
		snprintf(why, 256, "no event loop can be had: %s", strerror(errno));
		return -ENOMEM;
	}
	counts_init(&d->policy_counts, "policy", 0);
	counts_init(&d->gating.counts, "gate", 0);
	d->gating.netns_fd = -1;
	r = remote_open(d->config.run_dir, &d->remote);
	if (r < 0)
		log_error(
			"cannot watch %s/counts: %s; proxies are not seen, they follow the plan all the same",
			d->config.run_dir, strerror(-r));
	/* Before the sensors: where descriptors are few, it is they who have to do without. */
	r = open_loop(d);
	if (r < 0) {
		snprintf(why, 256, "the event loop takes no events");
		return r;
	}
	daemon_open_sensors(d);
	if (!d->config.gate.enabled)
		daemon_forget_gate();
	daemon_want_listeners(d);
	if (logind_open(d->base, NULL, &daemon_logind_ops, d, &d->logind) < 0)
		log_warning("out of memory: a shutdown of this machine is not heard of beforehand");
	return 0;
}

int daemon_run(struct daemon *d)
{
	log_notice("penstockd " PENSTOCK_VERSION " runs in %s mode on %s, tick %llu ms",
		   d->config.mode == PLAN_OBSERVE ? "observe" : "enforce", d->config.run_dir,
		   (unsigned long long)(d->config.tick_us / US_PER_MS));
	if (mlockall(MCL_CURRENT | MCL_ONFAULT) < 0)
		log_debug("memory is not locked: %s", strerror(errno));
	tick(d, true);
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
	daemon_close_policy(d);
	daemon_close_gate(d, true);
	control_close(d->control);
	http_close(d->http);
	logind_close(d->logind);
	daemon_close_sensors(d);
	remote_close(d->remote);
	pace_close(d->pace);
	daemon_close_recorder(d);
	daemon_close_sources(d);
	warmstart_close(d->warmstart);
	for (unsigned i = 0; i < ARRAY_SIZE(d->signals); i++)
		if (d->signals[i])
			event_free(d->signals[i]);
	if (d->base)
		event_base_free(d->base);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	free(d);
}
