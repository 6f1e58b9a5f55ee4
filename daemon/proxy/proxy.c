#include "proxy/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/reply.h"
#include "proxy/handover.h"
#include "proxy/session.h"

#define TICK_MS 100
#define ACCEPT_BATCH 64
#define ACCEPT_PAUSE_MS 100 /* after the descriptors ran out */
#define BACKLOG 4096

/* Two descriptors a session, and a few of our own. */
static void raise_descriptors(const struct config *config)
{
	struct rlimit limit;
	rlim_t wanted = 2 * (rlim_t)config->proxy.connections_max + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	if (limit.rlim_cur < wanted) {
		struct rlimit more = { wanted, wanted };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0) /* with CAP_SYS_RESOURCE */
			return;
		log_warning(
			"only %llu descriptors can be had, front.proxy.connections_max = %u wants %llu: raise LimitNOFILE=",
			(unsigned long long)limit.rlim_cur, config->proxy.connections_max,
			(unsigned long long)wanted);
	}
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void pause_accepting(struct proxy *p)
{
	const struct timeval wait = { 0, ACCEPT_PAUSE_MS * 1000 };

	event_del(p->accept_event);
	event_add(p->resume_event, &wait);
}

/* No descriptor is left: with the reserved one the client is told so, in the shortest form. */
static void refuse_without_descriptor(struct proxy *p)
{
	char line[REPLY_MAX + 1];
	size_t n = reply_line(line, sizeof(line), 421, p->config.service[p->service].hostname,
			      REASON_LIMIT, 0);
	int fd;

	p->counts.counts->errors++;
	if (p->reserve_fd < 0)
		return;
	close(p->reserve_fd);
	fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		proxy_counts(p)->offered++;
		proxy_counts(p)->deferred++;
		proxy_counts(p)->deferred_by[REASON_LIMIT]++;
		if (p->config.service[p->service].tls != TLS_IMPLICIT)
			send(fd, line, n, MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	p->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *context)
{
	struct proxy *p = context;
	uint64_t now_us = clock_monotonic_us();

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			session_new(p, fd, now_us);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			refuse_without_descriptor(p);
			pause_accepting(p);
		}
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	struct proxy *p = context;

	if (!p->draining)
		event_add(p->accept_event, NULL);
}

static void finish_if_drained(struct proxy *p)
{
	if (p->draining && !p->session_count)
		event_base_loopexit(p->base, NULL);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct proxy *p = context;
	uint64_t now_us = clock_monotonic_us(), oldest = 0;
	struct counts_service *c;
	struct session *next;

	proxy_mend_counts(p);
	c = proxy_counts(p);
	planview_get(&p->plan, now_us);
	if (now_us - p->sources_us >= US_PER_S / 2) {
		p->sources_us = now_us;
		sourceview_check(&p->sources);
	}
	for (struct session *s = p->sessions; s; s = next) {
		next = session_next(s);
		session_tick(s, now_us);
	}
	if (c->waiting)
		for (struct session *s = p->sessions; s; s = session_next(s)) {
			uint64_t since = session_waiting_since(s);

			if (since && (!oldest || since < oldest))
				oldest = since;
		}
	if (now_us > p->busy_since_us) {
		c->busy_us += c->busy * (now_us - p->busy_since_us);
		p->busy_since_us = now_us;
	}
	c->oldest_waiting_since_us = oldest;
	p->counts.counts->heartbeat_us = now_us;
	refusals_flush(&p->refusals, p->plan.plan.epoch);
	if (now_us - p->ticked_us >= US_PER_S) {
		p->ticked_us = now_us;
		sd_notifyf(0, "WATCHDOG=1\nSTATUS=%u sessions, %llu in flight, %s",
			   p->session_count, (unsigned long long)c->in_flight,
			   p->plan.fresh ? "following the plan" : "no plan: admitting everything");
	}
	finish_if_drained(p);
}

static void reload(struct proxy *p)
{
	_cleanup_free_ struct config *fresh = calloc(1, sizeof(*fresh));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));
	char line[640];

	if (!fresh || !errors)
		return;
	if (config_load(p->source, fresh, errors) < 0) {
		config_error_print(&errors->error[0], line, sizeof(line));
		log_error("the configuration was not reloaded, the one in force stays: %s", line);
		return;
	}
	if (!fresh->proxy.enabled ||
	    config_service_index(fresh, fresh->proxy.service) != (int)p->service ||
	    strcmp(fresh->proxy.listen.text, p->config.proxy.listen.text) != 0) {
		log_error(
			"the configuration was not reloaded: listen, service and enabled of [front.proxy] need a restart");
		return;
	}
	p->config = *fresh;
	log_set_level(p->config.log_level);
	log_notice("configuration reloaded");
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct proxy *p = context;

	if (number == SIGHUP) {
		reload(p);
		return;
	}
	if (p->draining) { /* the second time: now */
		event_base_loopexit(p->base, NULL);
		return;
	}
	p->draining = true;
	event_del(p->accept_event);
	close(p->listen_fd);
	p->listen_fd = -1;
	sd_notify(0, "STOPPING=1");
	if (handover_sessions(p))
		return;
	log_notice(
		"stopping: no new connections, %u sessions go on to their end; a second signal ends them",
		p->session_count);
	finish_if_drained(p);
}

static int open_events(struct proxy *p)
{
	static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };
	const struct timeval interval = { 0, TICK_MS * 1000 };

	signal(SIGPIPE, SIG_IGN);
	p->base = event_base_new();
	if (!p->base)
		return -ENOMEM;
	p->accept_event = event_new(p->base, p->listen_fd, EV_READ | EV_PERSIST, on_accept, p);
	p->resume_event = evtimer_new(p->base, on_resume, p);
	p->tick_event = event_new(p->base, -1, EV_PERSIST, on_tick, p);
	if (!p->accept_event || !p->resume_event || !p->tick_event)
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		p->signals[i] = evsignal_new(p->base, numbers[i], on_signal, p);
		if (!p->signals[i] || event_add(p->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	if (event_add(p->accept_event, NULL) < 0 || event_add(p->tick_event, &interval) < 0)
		return -ENOMEM;
	return 0;
}

static int open_counts(struct proxy *p)
{
	int r;

	eventsfile_open(&p->events, p->config.run_dir, p->generation);
	r = countsfile_open(&p->counts, p->config.run_dir, p->generation);
	if (r < 0)
		return r;
	p->counts.counts->serves = UINT64_C(1) << p->service;
	p->counts.counts->heartbeat_us = p->busy_since_us;
	return 0;
}

void proxy_mend_counts(struct proxy *p)
{
	if (!countsfile_is_torn(&p->counts) && !eventsfile_is_torn(&p->events))
		return;
	log_warning("%s or the events beside it were cut short by somebody: made anew",
		    p->counts.path);
	countsfile_close(&p->counts);
	eventsfile_close(&p->events);
	/* Another name: under the old one the daemon still counts what it last read, until it sees that nobody holds it. */
	p->generation++;
	if (open_counts(p) < 0) {
		log_error("out of memory");
		abort();
	}
	for (struct session *s = p->sessions; s; s = session_next(s))
		session_recount(s, proxy_counts(p));
}

int proxy_open(const struct config *config, const struct config_source *source,
	       struct proxy **ret_proxy, char *why)
{
	struct proxy *p = calloc(1, sizeof(*p));
	uint64_t seed = 0;
	int r;

	*ret_proxy = p;
	if (!p) {
		snprintf(why, 256, "out of memory");
		return -ENOMEM;
	}
	p->config = *config;
	p->source = source;
	p->listen_fd = -1;
	p->counts.fd = -1;
	p->service = (unsigned)config_service_index(config, config->proxy.service);
	p->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	p->busy_since_us = clock_monotonic_us();
	raise_descriptors(config);
	planview_init(&p->plan, config->run_dir);
	sourceview_init(&p->sources, config->run_dir);
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = p->busy_since_us;
	if (peers_open(&p->peers, config->proxy.connections_max, seed) < 0)
		log_warning(
			"no memory to count the sessions of each source: source.sessions_max has no effect here");
	r = open_counts(p);
	if (r < 0) {
		snprintf(why, 256, "out of memory");
		return r;
	}
	p->listen_fd = handover_listen(p, BACKLOG);
	if (p->listen_fd < 0) {
		r = p->listen_fd;
		snprintf(why, 256, "cannot listen on %s: %s; %s", config->proxy.listen.text,
			 strerror(-r),
			 r == -EADDRINUSE
				 ? "something listens there already: find it with 'ss -ltnp'"
			 : r == -EACCES
				 ? "ports below 1024 need CAP_NET_BIND_SERVICE or a socket unit"
				 : "see front.proxy.listen");
		return r;
	}
	r = open_events(p);
	if (r < 0)
		snprintf(why, 256, "no event loop can be had");
	return r;
}

int proxy_run(struct proxy *p)
{
	log_notice("penstock-proxy relays %s to %s", p->config.proxy.listen.text,
		   p->config.proxy.backend.text);
	on_tick(-1, 0, p);
	sd_notify(0, "READY=1");
	return event_base_dispatch(p->base) < 0 ? -EIO : 0;
}

void proxy_close(struct proxy *p)
{
	if (!p)
		return;
	while (p->sessions)
		session_abort(p->sessions);
	refusals_flush(&p->refusals, UINT64_MAX);
	if (p->accept_event)
		event_free(p->accept_event);
	if (p->resume_event)
		event_free(p->resume_event);
	if (p->tick_event)
		event_free(p->tick_event);
	for (unsigned i = 0; i < ARRAY_SIZE(p->signals); i++)
		if (p->signals[i])
			event_free(p->signals[i]);
	if (p->base)
		event_base_free(p->base);
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	if (p->reserve_fd >= 0)
		close(p->reserve_fd);
	if (p->counts.counts)
		countsfile_close(&p->counts);
	eventsfile_close(&p->events);
	peers_close(&p->peers);
	sourceview_done(&p->sources);
	planview_done(&p->plan);
	free(p);
}
