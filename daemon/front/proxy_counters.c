#include "front/proxy_counters.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/counts_dir.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/writelock.h"
#include "front/event_reader.h"
#include "front/retired.h"

#define SCAN_US (US_PER_S / 2)
/* The directory is listed when its modification time has changed, and so many times after that: the
 * time is not exact, so the first listing may have missed a part of the change. */
#define LISTINGS_A_CHANGE 3
#define FRESH_US (2 * US_PER_S)
/* Quantiles of connect-to-220 are taken over the last half to one second. */
#define WINDOW_US (US_PER_S / 2)

struct slot {
	int fd;
	char name[64];
	uint64_t checked_us;
	bool ended; /* retired in the next tick: until then its last counts and events are read */
	bool told_unknown; /* it was logged that it serves no service of this configuration */
	struct proxy_counted front;
	uint64_t service_id[PLAN_SERVICES]; /* in the order of the proxy */
	struct event_reader events;
};

/* Events of one proxy taken in a tick, about half a millisecond of work; more are counted as
 * lost. */
#define BATCH 2048u

struct proxy_counters {
	char run_dir[PATH_MAX];
	uint64_t service_id[PLAN_SERVICES]; /* of the configuration, in its order */
	int dir_fd;
	uint64_t scanned_us, rotated_us;
	struct timespec changed; /* the directory, as last seen */
	unsigned listings; /* how many listings are still to come */
	unsigned count;
	bool told_full;
	bool outdated; /* at the last listing */
	struct slot slots[PROXY_COUNTERS_MAX];
	struct counts retired;
	bool any_retired;
	uint64_t events_lost; /* of proxies that have ended */
	struct source_event batch[BATCH]; /* scratch */
	struct counts_service total; /* of all services, for the quantiles; scratch */
	uint64_t before[2][COUNTS_SLOTS]; /* connect-to-220, half a window and a whole window ago */
};

static int try_open(const struct config *config, struct proxy_counters **ret_proxies)
{
	const char *run_dir = config->run_dir;
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct proxy_counters *proxies;
	int r = counts_dir_make(run_dir, path, sizeof(path));

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	privilege_share_with_proxy(fd, 0770);
	counts_dir_tidy(fd);
	proxies = calloc(1, sizeof(*proxies));
	if (!proxies)
		return -ENOMEM;
	proxies->dir_fd = TAKE_FD(fd);
	memcpy(proxies->run_dir, run_dir, strlen(run_dir) + 1); /* fits: path is longer */
	retired_load(run_dir, clock_monotonic_us(), &proxies->retired);
	proxy_counters_configure(proxies, config);
	/* Counters of this front go on, also those of a penstockd before this one. */
	proxies->any_retired = proxies->retired.heartbeat_us > 0;
	*ret_proxies = proxies;
	return 0;
}

struct proxy_counters *proxy_counters_open(const struct config *config)
{
	struct proxy_counters *proxies;
	int r = try_open(config, &proxies);

	if (r == 0)
		return proxies;
	log_error(
		"Cannot watch %s/counts: %s. Sessions of the proxies are not counted; they follow the plan all the same.",
		config->run_dir, strerror(-r));
	return NULL;
}

void proxy_counters_configure(struct proxy_counters *proxies, const struct config *config)
{
	if (!proxies)
		return;
	config_service_ids(config, proxies->service_id);
	counts_arrange(&proxies->retired, proxies->service_id);
	for (unsigned i = 0; i < proxies->count; i++) {
		counts_arrange(&proxies->slots[i].front.counts, proxies->service_id);
		proxies->slots[i].told_unknown = false;
	}
}

void proxy_counters_close(struct proxy_counters *proxies)
{
	if (!proxies)
		return;
	for (unsigned i = 0; i < proxies->count; i++) {
		close(proxies->slots[i].fd);
		event_reader_close(&proxies->slots[i].events);
	}
	close(proxies->dir_fd);
	free(proxies);
}

static void read_slot(const struct proxy_counters *proxies, struct slot *slot, uint64_t now_us)
{
	struct counts c;

	if (pread(slot->fd, &c, sizeof(c), 0) == (ssize_t)sizeof(c) && counts_are_sane(&c)) {
		memcpy(slot->service_id, c.service_id, sizeof(slot->service_id));
		counts_arrange(&c, proxies->service_id);
		slot->front.counts = c;
	}
	slot->front.fresh = now_us < slot->front.counts.heartbeat_us + FRESH_US;
}

static bool is_known(const struct proxy_counters *proxies, const char *name)
{
	for (unsigned i = 0; i < proxies->count; i++)
		if (strcmp(proxies->slots[i].name, name) == 0)
			return true;
	return false;
}

/* Whether a living proxy of another version writes this file. Up to 0.2.0 they held flock(2). */
static bool is_of_another_version(int fd)
{
	uint32_t head[2]; /* magic and version, in each version */

	if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) || head[0] != COUNTS_MAGIC ||
	    head[1] == COUNTS_VERSION)
		return false;
	return writelock_is_held(fd) || (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
}

/* `first`: the fronts found now were there before this daemon. */
static void scan(struct proxy_counters *proxies, uint64_t now_us, bool first)
{
	int fd = openat(proxies->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const char *name;
	struct slot *slot;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		proxies->listings = 1; /* perhaps no descriptor is free: try again */
		return;
	}
	proxies->outdated = false;
	while ((name = counts_dir_next(dir))) {
		if (strlen(name) >= sizeof(slot->name) || is_known(proxies, name))
			continue;
		if (proxies->count == PROXY_COUNTERS_MAX) {
			if (!proxies->told_full)
				log_warning(
					"There are more than %d front processes in the run directory. %s and later ones are not counted. "
					"Stop proxies that are not needed.",
					PROXY_COUNTERS_MAX, name);
			proxies->told_full = true;
			proxies->listings = 1; /* a place may become free later */
			break;
		}
		slot = &proxies->slots[proxies->count];
		memset(slot, 0, sizeof(*slot));
		slot->fd = counts_dir_open(proxies->dir_fd, name);
		if (slot->fd < 0) {
			proxies->listings = 1;
			continue;
		}
		read_slot(proxies, slot, now_us);
		if (slot->front.counts.magic != COUNTS_MAGIC) {
			/* not a counts file, not ready yet, or of another version */
			proxies->outdated |= is_of_another_version(slot->fd);
			close(slot->fd);
			proxies->listings = 1;
			continue;
		}
		memcpy(slot->name, name, strlen(name) + 1);
		event_reader_open(&slot->events, proxies->dir_fd, slot->name, first);
		proxies->count++;
	}
	closedir(dir);
}

/* Whether there may be new fronts: one system call instead of a listing, which would be most of the
 * cost of an idle tick. */
static bool has_news(struct proxy_counters *proxies)
{
	struct stat st;

	if (fstat(proxies->dir_fd, &st) < 0)
		return true;
	if (st.st_mtim.tv_sec != proxies->changed.tv_sec ||
	    st.st_mtim.tv_nsec != proxies->changed.tv_nsec) {
		proxies->changed = st.st_mtim;
		proxies->listings = LISTINGS_A_CHANGE;
	}
	if (proxies->listings == 0)
		return false;
	proxies->listings--;
	return true;
}

/* Adds the last counters of a front that is gone to the totals, without its gauges. */
static void retire(struct proxy_counters *proxies, unsigned index, uint64_t now_us)
{
	struct slot *slot = &proxies->slots[index];
	struct counts *c = &slot->front.counts;

	proxies->any_retired = true;
	for (int i = 0; i < PLAN_SERVICES; i++) {
		struct counts_service *s = &c->service[i];

		counts_clear_gauges(s);
		counts_add(&proxies->retired.service[i], s);
	}
	for (int i = 0; i < COUNTS_SLOTS; i++)
		proxies->retired.decisions[i] += c->decisions[i];
	proxies->retired.decision_sum_ns += c->decision_sum_ns;
	proxies->retired.malformed += c->malformed;
	proxies->retired.errors += c->errors;
	faults_add(&proxies->retired.faults, &c->faults);
	retired_save(proxies->run_dir, now_us, &proxies->retired);
	unlinkat(proxies->dir_fd, slot->name, 0);
	close(slot->fd);
	proxies->events_lost += slot->events.lost;
	event_reader_remove(&slot->events, proxies->dir_fd, slot->name);
	memmove(slot, slot + 1, (proxies->count - index - 1) * sizeof(*slot));
	proxies->count--;
}

/* A proxy that serves a service that is not configured here. It finds no plan, and says so, too. */
static void tell_unknown(struct slot *slot)
{
	if (!slot->front.fresh || slot->told_unknown || slot->front.counts.serves)
		return;
	slot->told_unknown = true;
	log_warning(
		"Cannot count the sessions of penstock-proxy %llu: its service is not in the configuration. It admits every connection, and they take no place in a window. Restart it if [front.proxy] names another service now.",
		(unsigned long long)slot->front.counts.pid);
}

void proxy_counters_poll(struct proxy_counters *proxies, uint64_t now_us)
{
	if (!proxies)
		return;
	/* A front that is down is found in the tick in which it comes back. */
	if (proxies->count == 0 || now_us - proxies->scanned_us >= SCAN_US) {
		bool first = proxies->scanned_us == 0;

		proxies->scanned_us = now_us;
		if (has_news(proxies))
			scan(proxies, now_us, first);
	}
	for (unsigned i = 0; i < proxies->count;) {
		struct slot *slot = &proxies->slots[i];

		read_slot(proxies, slot, now_us);
		if (slot->ended) {
			retire(proxies, i, now_us);
			continue;
		}
		if (now_us - slot->checked_us >= SCAN_US) {
			slot->checked_us = now_us;
			slot->ended = !writelock_is_held(slot->fd);
			tell_unknown(slot);
		}
		i++;
	}
}

unsigned proxy_counters_count(const struct proxy_counters *proxies)
{
	return proxies->count;
}

const struct proxy_counted *proxy_counters_of(const struct proxy_counters *proxies, unsigned index)
{
	return &proxies->slots[index].front;
}

/* The number here of the service that the proxy numbers `service`; PLAN_SERVICES: there is none. */
static unsigned number_of(const struct proxy_counters *proxies, const struct slot *slot,
			  unsigned service)
{
	unsigned i = 0;

	if (service >= PLAN_SERVICES || !slot->service_id[service])
		return PLAN_SERVICES;
	while (i < PLAN_SERVICES && proxies->service_id[i] != slot->service_id[service])
		i++;
	return i;
}

/* Gives the `count` events of the batch the numbers that services have here. Leaves out those of
 * other services, and returns how many are left. */
static unsigned renumber(struct proxy_counters *proxies, const struct slot *slot, unsigned count)
{
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned number = number_of(proxies, slot, proxies->batch[i].service);

		if (number == PLAN_SERVICES)
			continue;
		proxies->batch[left] = proxies->batch[i];
		proxies->batch[left++].service = (uint8_t)number;
	}
	return left;
}

void proxy_counters_tell(struct proxy_counters *proxies,
			 void (*seen)(void *context, const struct source_event *events,
				      unsigned count, uint64_t now_us),
			 void *context, uint64_t now_us)
{
	for (unsigned i = 0; proxies && i < proxies->count; i++) {
		struct slot *slot = &proxies->slots[i];
		unsigned n = event_reader_take(&slot->events, proxies->batch, BATCH);

		n = renumber(proxies, slot, n);
		seen(context, proxies->batch, n, now_us);
	}
}

uint64_t proxy_counters_events_lost(const struct proxy_counters *proxies)
{
	uint64_t lost = proxies->events_lost;

	for (unsigned i = 0; i < proxies->count; i++)
		lost += proxies->slots[i].events.lost;
	return lost;
}

bool proxy_counters_up(const struct proxy_counters *proxies, const char **ret_why)
{
	*ret_why = "";
	for (unsigned i = 0; i < proxies->count; i++)
		if (proxies->slots[i].front.fresh)
			return true;
	if (proxies->count)
		*ret_why = PROXY_HANGS;
	else
		*ret_why = proxies->outdated ? PROXY_OUTDATED : PROXY_GONE;
	return false;
}

bool proxy_counters_outdated(const struct proxy_counters *proxies)
{
	return proxies->outdated;
}

const struct counts *proxy_counters_retired(const struct proxy_counters *proxies)
{
	return &proxies->retired;
}

static void put_service(struct load_service *load, const struct counts_service *c, bool lives,
			uint64_t now_us)
{
	load->offered += c->offered;
	load->admitted += c->admitted;
	load->deferred += c->deferred;
	load->would_defer += c->would_defer;
	load->completed += c->completed;
	load->finished += c->finished;
	load->busy_us += c->busy_us;
	load->server_us += c->server_us;
	load->session_us += c->session_us;
	load->in_flight += (double)c->in_flight;
	load->shadow_in_flight += (double)c->shadow_in_flight;
	load->busy += (double)c->busy;
	load->ungreeted += (double)c->ungreeted;
	load->held += (double)c->held;
	load->held_admitted += c->held_admitted;
	load->held_in_vain += c->held_in_vain;
	load->held_left += c->held_left;
	if (c->oldest_held_since_us && now_us > c->oldest_held_since_us)
		load->held_longest_s = fmax(load->held_longest_s,
					    (double)(now_us - c->oldest_held_since_us) / 1e6);
	load->stuck += (double)c->stuck;
	if (lives)
		load->known |= LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY |
			       LOAD_UNGREETED | LOAD_HELD | LOAD_STUCK;
}

static void put_times(struct proxy_counters *proxies, const struct counts_service *total,
		      uint64_t now_us, struct sample *sample)
{
	double p99 = counts_quantile(total->connect_220, proxies->before[1], 0.99);
	double p50 = counts_quantile(total->connect_220, proxies->before[1], 0.5);

	if (p99 >= 0) {
		sample_put(sample, SIGNAL_CONNECT_220_P99_US, p99, VIA_FRONT);
		sample_put(sample, SIGNAL_CONNECT_220_P50_US, p50, VIA_FRONT);
	}
	if (now_us - proxies->rotated_us >= WINDOW_US) {
		proxies->rotated_us = now_us;
		memcpy(proxies->before[1], proxies->before[0], sizeof(proxies->before[0]));
		memcpy(proxies->before[0], total->connect_220, sizeof(proxies->before[0]));
	}
}

void proxy_counters_put(struct proxy_counters *proxies, uint64_t now_us, struct load *load,
			struct sample *sample)
{
	struct counts_service *total;
	bool any = false;

	if (!proxies || (proxies->count == 0 && !proxies->any_retired))
		return;
	total = &proxies->total;
	memset(total, 0, sizeof(*total));
	for (int s = 0; s < PLAN_SERVICES; s++) {
		bool lives = false;

		for (unsigned i = 0; i < proxies->count; i++) {
			const struct counts_service *c = &proxies->slots[i].front.counts.service[s];

			lives |= proxies->slots[i].front.fresh &&
				 (proxies->slots[i].front.counts.serves >> s & 1);
			put_service(&load->service[s], c, false, now_us);
			counts_add(total, c);
		}
		put_service(&load->service[s], &proxies->retired.service[s], lives, now_us);
		counts_add(total, &proxies->retired.service[s]);
		any |= lives;
	}
	if (!any)
		return;
	put_times(proxies, total, now_us, sample);
	sample_put(sample, SIGNAL_WAITING_COUNT, (double)total->ungreeted, VIA_FRONT);
	sample_put(sample, SIGNAL_OLDEST_WAITING_US,
		   total->ungreeted && total->oldest_waiting_since_us &&
				   now_us > total->oldest_waiting_since_us
			   ? (double)(now_us - total->oldest_waiting_since_us)
			   : 0,
		   VIA_FRONT);
}
