#include "front/remote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/privilege.h"
#include "base/writelock.h"
#include "front/event_reader.h"

#define SCAN_US (US_PER_S / 2)
/* The directory is listed when its time of change is another, and so often after it: that time is
 * not so exact that the first listing must have seen all of a change. */
#define LISTINGS_A_CHANGE 3
#define FRESH_US (2 * US_PER_S)
/* Quantiles of connect-to-220 are taken over the last half to one second. */
#define WINDOW_US (US_PER_S / 2)

struct slot {
	int fd;
	char name[64];
	uint64_t checked_us;
	struct remote_front front;
	struct event_reader events;
};

/* Events of one proxy a tick, about half a millisecond; what is more is counted as lost. */
#define BATCH 2048u

struct remote {
	int dir_fd;
	uint64_t scanned_us, rotated_us;
	struct timespec changed; /* the directory, as last seen */
	unsigned listings; /* to come */
	unsigned count;
	bool told_full;
	struct slot slots[REMOTE_FRONTS];
	struct counts retired;
	bool any_retired;
	uint64_t events_lost; /* of those that are gone */
	struct source_event batch[BATCH]; /* scratch */
	struct counts_service total; /* of all services, for the quantiles; scratch */
	uint64_t before[2][COUNTS_SLOTS]; /* connect-to-220 of a half and a whole window ago */
};

int remote_open(const char *run_dir, struct remote **ret_remote)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct remote *remote;

	if ((size_t)snprintf(path, sizeof(path), "%s/counts", run_dir) >= sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(path, 0775) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	privilege_share_with_proxy(fd, 0770);
	remote = calloc(1, sizeof(*remote));
	if (!remote)
		return -ENOMEM;
	remote->dir_fd = TAKE_FD(fd);
	counts_init(&remote->retired, "proxy", 0); /* its counters go on under the same name */
	*ret_remote = remote;
	return 0;
}

void remote_close(struct remote *remote)
{
	if (!remote)
		return;
	for (unsigned i = 0; i < remote->count; i++) {
		close(remote->slots[i].fd);
		event_reader_close(&remote->slots[i].events);
	}
	close(remote->dir_fd);
	free(remote);
}

static void read_slot(struct slot *slot, uint64_t now_us)
{
	struct counts c;

	if (pread(slot->fd, &c, sizeof(c), 0) == (ssize_t)sizeof(c) && counts_are_sane(&c))
		slot->front.counts = c;
	slot->front.fresh = now_us < slot->front.counts.heartbeat_us + FRESH_US;
}

static bool is_known(const struct remote *remote, const char *name)
{
	for (unsigned i = 0; i < remote->count; i++)
		if (strcmp(remote->slots[i].name, name) == 0)
			return true;
	return false;
}

/* `first`: fronts found now were there before this daemon. */
static void scan(struct remote *remote, uint64_t now_us, bool first)
{
	int fd = openat(remote->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct slot *slot;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		remote->listings = 1; /* no descriptor is free, perhaps: again */
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(slot->name) ||
		    strchr(entry->d_name, '.') || is_known(remote, entry->d_name))
			continue;
		if (remote->count == REMOTE_FRONTS) {
			if (!remote->told_full)
				log_warning(
					"There are more than %d front processes in the run directory. %s and later ones are not counted. "
					"Stop proxies that are not needed.",
					REMOTE_FRONTS, entry->d_name);
			remote->told_full = true;
			remote->listings = 1; /* a place may become free */
			break;
		}
		slot = &remote->slots[remote->count];
		memset(slot, 0, sizeof(*slot));
		slot->fd = openat(remote->dir_fd, entry->d_name,
				  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (slot->fd < 0) {
			remote->listings = 1;
			continue;
		}
		read_slot(slot, now_us);
		if (slot->front.counts.magic != COUNTS_MAGIC) {
			close(slot->fd); /* not a counts file, or not ready yet */
			remote->listings = 1;
			continue;
		}
		memcpy(slot->name, entry->d_name, strlen(entry->d_name) + 1);
		event_reader_open(&slot->events, remote->dir_fd, slot->name, first);
		remote->count++;
	}
	closedir(dir);
}

/* Whether there may be fronts that are not known: one system call in place of a listing, which is
 * most of what a calm tick costs. */
static bool has_news(struct remote *remote)
{
	struct stat st;

	if (fstat(remote->dir_fd, &st) < 0)
		return true;
	if (st.st_mtim.tv_sec != remote->changed.tv_sec ||
	    st.st_mtim.tv_nsec != remote->changed.tv_nsec) {
		remote->changed = st.st_mtim;
		remote->listings = LISTINGS_A_CHANGE;
	}
	if (remote->listings == 0)
		return false;
	remote->listings--;
	return true;
}

/* The last word of a front that is gone joins the totals, without its gauges. */
static void retire(struct remote *remote, unsigned index)
{
	struct slot *slot = &remote->slots[index];
	struct counts *c = &slot->front.counts;

	remote->any_retired = true;
	for (int i = 0; i < PLAN_SERVICES; i++) {
		struct counts_service *s = &c->service[i];

		counts_clear_gauges(s);
		counts_add(&remote->retired.service[i], s);
	}
	for (int i = 0; i < COUNTS_SLOTS; i++)
		remote->retired.decisions[i] += c->decisions[i];
	remote->retired.decision_sum_ns += c->decision_sum_ns;
	remote->retired.malformed += c->malformed;
	remote->retired.errors += c->errors;
	faults_add(&remote->retired.faults, &c->faults);
	unlinkat(remote->dir_fd, slot->name, 0);
	close(slot->fd);
	remote->events_lost += slot->events.lost;
	event_reader_remove(&slot->events, remote->dir_fd, slot->name);
	memmove(slot, slot + 1, (remote->count - index - 1) * sizeof(*slot));
	remote->count--;
}

void remote_poll(struct remote *remote, uint64_t now_us)
{
	if (!remote)
		return;
	if (now_us - remote->scanned_us >= SCAN_US) {
		bool first = remote->scanned_us == 0;

		remote->scanned_us = now_us;
		if (has_news(remote))
			scan(remote, now_us, first);
	}
	for (unsigned i = 0; i < remote->count;) {
		struct slot *slot = &remote->slots[i];

		read_slot(slot, now_us);
		if (now_us - slot->checked_us >= SCAN_US) {
			slot->checked_us = now_us;
			if (!writelock_is_held(slot->fd)) {
				retire(remote, i);
				continue;
			}
		}
		i++;
	}
}

unsigned remote_count(const struct remote *remote)
{
	return remote->count;
}

const struct remote_front *remote_front(const struct remote *remote, unsigned index)
{
	return &remote->slots[index].front;
}

void remote_tell(struct remote *remote,
		 void (*seen)(void *context, const struct source_event *events, unsigned count,
			      uint64_t now_us),
		 void *context, uint64_t now_us)
{
	for (unsigned i = 0; remote && i < remote->count; i++) {
		unsigned n = event_reader_take(&remote->slots[i].events, remote->batch, BATCH);

		seen(context, remote->batch, n, now_us);
	}
}

uint64_t remote_events_lost(const struct remote *remote)
{
	uint64_t lost = remote->events_lost;

	for (unsigned i = 0; i < remote->count; i++)
		lost += remote->slots[i].events.lost;
	return lost;
}

const struct counts *remote_retired(const struct remote *remote)
{
	return &remote->retired;
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
	load->waiting += (double)c->waiting;
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
			       LOAD_WAITING | LOAD_HELD;
}

static void put_times(struct remote *remote, const struct counts_service *total, uint64_t now_us,
		      struct sample *sample)
{
	double p99 = counts_quantile(total->connect_220, remote->before[1], 0.99);
	double p50 = counts_quantile(total->connect_220, remote->before[1], 0.5);

	if (p99 >= 0) {
		sample_put(sample, SIGNAL_CONNECT_220_P99_US, p99, VIA_FRONT);
		sample_put(sample, SIGNAL_CONNECT_220_P50_US, p50, VIA_FRONT);
	}
	if (now_us - remote->rotated_us >= WINDOW_US) {
		remote->rotated_us = now_us;
		memcpy(remote->before[1], remote->before[0], sizeof(remote->before[0]));
		memcpy(remote->before[0], total->connect_220, sizeof(remote->before[0]));
	}
}

void remote_put(struct remote *remote, uint64_t now_us, struct load *load, struct sample *sample)
{
	struct counts_service *total;
	bool any = false;

	if (!remote || (remote->count == 0 && !remote->any_retired))
		return;
	total = &remote->total;
	memset(total, 0, sizeof(*total));
	for (int s = 0; s < PLAN_SERVICES; s++) {
		bool lives = false;

		for (unsigned i = 0; i < remote->count; i++) {
			const struct counts_service *c = &remote->slots[i].front.counts.service[s];

			lives |= remote->slots[i].front.fresh &&
				 (remote->slots[i].front.counts.serves >> s & 1);
			put_service(&load->service[s], c, false, now_us);
			counts_add(total, c);
		}
		put_service(&load->service[s], &remote->retired.service[s], lives, now_us);
		counts_add(total, &remote->retired.service[s]);
		any |= lives;
	}
	if (!any)
		return;
	put_times(remote, total, now_us, sample);
	sample_put(sample, SIGNAL_WAITING_COUNT, (double)total->waiting, VIA_FRONT);
	sample_put(sample, SIGNAL_OLDEST_WAITING_US,
		   total->waiting && total->oldest_waiting_since_us &&
				   now_us > total->oldest_waiting_since_us
			   ? (double)(now_us - total->oldest_waiting_since_us)
			   : 0,
		   VIA_FRONT);
}
