/* Disks: counts, bytes, depth and mean times from /proc/diskstats, which is read once a tick for
 * all of them; percentiles from the BPF probe if it works. The signals are of the disks that count
 * (disks.h). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel/kernel.h"
#include "sensor/disk_past.h"
#include "sensor/proc_file.h"
#include "sensor/sensors.h"

struct disk_sensor {
	struct proc_file *file;
	struct kernel *kernel; /* with the probe, else NULL */
	struct disk_table *table;
	struct disk_past *past[DISKS];
	struct window_hist all; /* reads and writes of the disks that count */
	uint64_t generation; /* generation of the table for which `all` was started */
	unsigned left_out; /* disks for which there was no room, in this reading */
	bool left_out_said;
	char content[131072]; /* some 80 bytes a disk or partition */
};

static void disk_close(void *state)
{
	struct disk_sensor *s = state;

	for (unsigned i = 0; i < DISKS; i++)
		free(s->past[i]);
	proc_file_close(s->file);
	free(s);
}

static int disk_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct disk_sensor *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = proc_file_open(env, "diskstats", sizeof(s->content), &s->file, why);
	if (r < 0) {
		free(s);
		return r;
	}
	s->table = env->disks;
	if (env->kernel && !kernel_probe_why(env->kernel, PROBE_BLKIO))
		s->kernel = env->kernel;
	*ret_state = s;
	return 0;
}

/* The entry of a disk, known or new; NULL: no room. A disk of the spool replaces one that is
 * not. */
static struct disk_past **find(struct disk_sensor *s, const struct procparse_disk *now, bool spool)
{
	struct disk_past **room = NULL;

	for (unsigned i = 0; i < DISKS; i++) {
		if (!s->past[i]) {
			room = room ? room : &s->past[i];
			continue;
		}
		if (s->past[i]->major == now->major && s->past[i]->minor == now->minor)
			return &s->past[i];
	}
	for (unsigned i = DISKS; spool && !room && i-- > 0;) {
		if (s->past[i]->seen || s->past[i]->spool)
			continue;
		free(s->past[i]);
		s->past[i] = NULL;
		room = &s->past[i];
	}
	return room;
}

static struct disk_past *take(struct disk_sensor *s, const struct procparse_disk *now, bool spool)
{
	struct disk_past **place = find(s, now, spool);

	if (!place)
		return NULL;
	if (!*place) {
		*place = calloc(1, sizeof(**place));
		if (!*place)
			return NULL;
		(*place)->major = now->major;
		(*place)->minor = now->minor;
		(*place)->slot =
			s->kernel ? kernel_disk_watch(s->kernel, now->major, now->minor) : -1;
	}
	(*place)->seen = true;
	(*place)->spool = spool;
	return *place;
}

/* The totals for publishers, beside the figures of the last second. */
static void keep_totals(struct disk *d, const struct procparse_disk *now)
{
	for (int o = 0; o < DISK_OPS; o++) {
		d->op[o].ios = now->op[o].count;
		d->op[o].bytes = now->op[o].bytes;
		d->op[o].time_ms = now->op[o].time_ms;
	}
}

static void keep_histogram(struct disk *d, int op, const struct kernel_disk *k)
{
	d->op[op].timed = true;
	d->op[op].sum_us = k->sum_us;
	for (unsigned i = 0; i < COUNTS_SLOTS; i++) {
		uint64_t upper = counts_slot_upper(i);
		unsigned power = upper == 0 ? 0 : 64 - (unsigned)__builtin_clzll(upper);

		d->op[op].slots[power < DISK_SLOTS - 1 ? power : DISK_SLOTS - 1] += k->slots[i];
	}
}

static void learn_latency(struct disk_sensor *s, struct disk *d, struct disk_past *p,
			  uint64_t now_us, uint64_t *all)
{
	struct kernel_disk k;

	for (int o = 0; o < DISK_OPS; o++) {
		if (!s->kernel ||
		    kernel_disk_read(s->kernel, p->slot, (enum kernel_disk_op)o, &k) < 0)
			continue;
		d->op[o].p99_us = window_hist_quantile(&p->window[o], k.slots, 0.99);
		window_hist_step(&p->window[o], k.slots, now_us);
		keep_histogram(d, o, &k);
		for (unsigned i = 0;
		     o != DISK_FLUSH && disks_counts(s->table, d) && i < COUNTS_SLOTS; i++)
			all[i] += k.slots[i];
	}
}

static void learn(struct disk_sensor *s, const struct procparse_disk *now, uint64_t now_us,
		  uint64_t *all)
{
	bool spool = s->table->spool_known && spool_device_has(&s->table->spool, now->name);
	struct disk_past *p = s->table->count < DISKS ? take(s, now, spool) : NULL;
	struct disk *d;

	if (!p) {
		s->left_out++;
		return;
	}
	d = &s->table->disk[s->table->count++];
	memset(d, 0, sizeof(*d));
	memcpy(d->name, now->name, sizeof(d->name));
	d->major = now->major;
	d->minor = now->minor;
	d->spool = spool;
	d->busy_ratio = -1;
	for (int o = 0; o < DISK_OPS; o++)
		d->op[o].per_s = d->op[o].bytes_per_s = d->op[o].mean_us = d->op[o].p99_us = -1;
	d->in_flight = (double)now->in_flight;
	keep_totals(d, now);
	disk_past_rates(p, d, now, now_us);
	disk_past_stuck(p, d, now, now_us);
	learn_latency(s, d, p, now_us, all);
}

static double most(double a, double b)
{
	return a > b ? a : b;
}

static void put_if_known(struct sample *sample, enum signal signal, double value, enum via via)
{
	if (value >= 0)
		sample_put(sample, signal, value, via);
}

/* The worst values of the disks that count, and the sums over them. */
static void put(const struct disk_table *t, struct sample *sample)
{
	double await = -1, flush_await = -1, busy = -1, in_flight = -1, stuck = -1,
	       p99[DISK_OPS] = { -1, -1, -1 };
	double ios = -1, bytes[2] = { -1, -1 }, flushes = -1;

	for (unsigned i = 0; i < t->count; i++) {
		const struct disk *d = &t->disk[i];
		double n = fmax(0, d->op[DISK_READ].per_s) + fmax(0, d->op[DISK_WRITE].per_s);

		if (!disks_counts(t, d))
			continue;
		in_flight = fmax(in_flight, 0) + d->in_flight;
		stuck = most(stuck, d->stuck_us);
		for (int o = 0; o < DISK_OPS; o++)
			p99[o] = most(p99[o], d->op[o].p99_us);
		if (d->op[DISK_READ].per_s < 0)
			continue;
		busy = most(busy, d->busy_ratio);
		ios = fmax(ios, 0) + n;
		flushes = fmax(flushes, 0) + fmax(0, d->op[DISK_FLUSH].per_s);
		for (int o = 0; o < 2; o++)
			bytes[o] = fmax(bytes[o], 0) + fmax(0, d->op[o].bytes_per_s);
		if (n > 0)
			await = most(await, (fmax(0, d->op[DISK_READ].mean_us) *
						     fmax(0, d->op[DISK_READ].per_s) +
					     fmax(0, d->op[DISK_WRITE].mean_us) *
						     fmax(0, d->op[DISK_WRITE].per_s)) /
						    n);
		flush_await = most(flush_await, d->op[DISK_FLUSH].mean_us);
	}
	put_if_known(sample, SIGNAL_DISK_AWAIT_US, await, VIA_PROCFS);
	put_if_known(sample, SIGNAL_FLUSH_AWAIT_US, flush_await, VIA_PROCFS);
	put_if_known(sample, SIGNAL_DISK_BUSY_RATIO, busy, VIA_PROCFS);
	put_if_known(sample, SIGNAL_DISK_IOS_PER_S, ios, VIA_PROCFS);
	put_if_known(sample, SIGNAL_DISK_FLUSHES_PER_S, flushes, VIA_PROCFS);
	put_if_known(sample, SIGNAL_DISK_READ_BYTES_PER_S, bytes[DISK_READ], VIA_PROCFS);
	put_if_known(sample, SIGNAL_DISK_WRITE_BYTES_PER_S, bytes[DISK_WRITE], VIA_PROCFS);
	put_if_known(sample, SIGNAL_DISK_IN_FLIGHT, in_flight, VIA_PROCFS);
	put_if_known(sample, SIGNAL_DISK_STUCK_US, stuck, VIA_PROCFS);
	put_if_known(sample, SIGNAL_READ_P99_US, p99[DISK_READ], VIA_BPF);
	put_if_known(sample, SIGNAL_WRITE_P99_US, p99[DISK_WRITE], VIA_BPF);
	put_if_known(sample, SIGNAL_FLUSH_P99_US, p99[DISK_FLUSH], VIA_BPF);
}

static void forget_removed(struct disk_sensor *s)
{
	for (unsigned i = 0; i < DISKS; i++) {
		if (!s->past[i] || s->past[i]->seen)
			continue;
		free(s->past[i]);
		s->past[i] = NULL;
	}
}

/* Xen gives a guest xvda1 and xvda2 without any xvda: then they are disks themselves. `content`:
 * all of /proc/diskstats. */
static bool is_whole(const char *content, const char *name)
{
	size_t n = strlen(name);
	char base[40];

	if (procparse_is_disk(name))
		return true;
	while (n && name[n - 1] >= '0' && name[n - 1] <= '9')
		n--;
	if (!n || !name[n]) /* no digits: not the name of a partition */
		return false;
	snprintf(base, sizeof(base), " %.*s ", (int)n, name);
	base[n + 1] = 0;
	if (!procparse_is_disk(base + 1)) /* loop0, sr0, dm-0 */
		return false;
	base[n + 1] = ' ';
	return !strstr(content, base);
}

/* Two passes over the file: first the disks of the spool, so that they get a place, then the
 * others. */
static void read_disks(struct disk_sensor *s, bool spool, uint64_t now_us, uint64_t *all)
{
	const char *cursor = s->content;
	struct procparse_disk now;
	char last[sizeof(now.name)] = ""; /* last whole disk: its partitions mostly follow it */

	while (procparse_disk(&cursor, &now)) {
		bool is_spool =
			s->table->spool_known && spool_device_has(&s->table->spool, now.name);

		if (is_spool != spool)
			continue;
		if (!spool && last[0] && strncmp(now.name, last, strlen(last)) == 0 &&
		    !procparse_is_disk(now.name))
			continue;
		if (!spool && !is_whole(s->content, now.name))
			continue;
		if (procparse_is_disk(now.name))
			memcpy(last, now.name, sizeof(last));
		learn(s, &now, now_us, all);
	}
}

static void say_left_out(struct disk_sensor *s, bool cut, char *why)
{
	if (s->left_out || cut)
		snprintf(why, SENSOR_WHY_MAX,
			 "%u disks are looked at, %u%s are not; those of the queue come first",
			 s->table->count, s->left_out, cut ? " and more" : "");
	if ((s->left_out || cut) && !s->left_out_said)
		log_warning(
			"Cannot look at every disk: %s. Name the queue's directories, so that its disks are among them: [service.NAME] queue_dirs.",
			why);
	s->left_out_said = s->left_out || cut;
}

static int disk_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		     char *why)
{
	struct disk_sensor *s = state;
	uint64_t all[COUNTS_SLOTS] = { 0 }, read_us;
	double q;
	int r = proc_file_read_whole(s->file, now_us, s->content, sizeof(s->content), &read_us,
				     why);

	if (r < 0 && r != -EFBIG)
		return r == -EAGAIN ? 0 : r;
	s->table->count = s->left_out = 0;
	for (unsigned i = 0; i < DISKS; i++)
		if (s->past[i])
			s->past[i]->seen = false;
	read_disks(s, true, read_us, all);
	read_disks(s, false, read_us, all);
	say_left_out(s, r == -EFBIG, why);
	forget_removed(s);
	put(s->table, sample);
	if (!s->kernel)
		return 0;
	kernel_disk_tune(s->kernel, now_us);
	if (s->generation != s->table->generation) {
		/* Other disks count now: the histogram is reset. */
		memset(&s->all, 0, sizeof(s->all));
		s->generation = s->table->generation;
	}
	q = window_hist_quantile(&s->all, all, 0.99);
	if (q >= 0) {
		sample_put(sample, SIGNAL_BLKIO_P99_US, q, VIA_BPF);
		sample_put(sample, SIGNAL_BLKIO_P50_US, window_hist_quantile(&s->all, all, 0.5),
			   VIA_BPF);
	}
	window_hist_step(&s->all, all, now_us);
	return 0;
}

static const enum signal disk_signals[] = { SIGNAL_DISK_AWAIT_US,
					    SIGNAL_FLUSH_AWAIT_US,
					    SIGNAL_DISK_BUSY_RATIO,
					    SIGNAL_DISK_IOS_PER_S,
					    SIGNAL_DISK_FLUSHES_PER_S,
					    SIGNAL_DISK_READ_BYTES_PER_S,
					    SIGNAL_DISK_WRITE_BYTES_PER_S,
					    SIGNAL_DISK_IN_FLIGHT,
					    SIGNAL_DISK_STUCK_US,
					    SIGNAL_READ_P99_US,
					    SIGNAL_WRITE_P99_US,
					    SIGNAL_FLUSH_P99_US,
					    SIGNAL_BLKIO_P99_US,
					    SIGNAL_BLKIO_P50_US,
					    SIGNAL__COUNT };
const struct sensor_ops sensor_disk = { .name = "disk",
					.provides = disk_signals,
					.open = disk_open,
					.poll = disk_poll,
					.close = disk_close,
					.budget_us_per_s = 60 };
