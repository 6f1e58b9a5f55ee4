/* What this kernel lets penstock see through BPF: which probes load, in which variant, and why
 * others do not. It owns the loaded objects, and the sensors read through it. It knows nothing
 * about pressure or plans. */
#ifndef PENSTOCK_KERNEL_KERNEL_H
#define PENSTOCK_KERNEL_KERNEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/config.h"
#include "kernel/probes.h"

struct kernel;
struct text;

/* Loads every probe that this kernel accepts. 0: at least one works; else -errno with a sentence in
 * `why` (256). */
int kernel_open(const struct config *config, struct kernel **ret_kernel, char *why);
void kernel_close(struct kernel *kernel);
/* NULL: the probe works; else why not. */
const char *kernel_probe_why(const struct kernel *kernel, enum kernel_probe probe);
/* One line for each probe: its form, or why it does not work. */
void kernel_support(const struct kernel *kernel, struct text *out);

/* Copies a cumulative histogram (slots of counts_slot(), us) and its sum. `which`: PROBE_RUNQ 0 all
 * tasks, 1 those of the control group set below; PROBE_BLKIO 0 reads and writes of all devices;
 * PROBE_FSYNC 0 all file systems, 1 those of the spool; PROBE_JBD2 0; PROBE_RECLAIM 0 direct, 1 of
 * control groups. 0 or -errno. No system call. */
int kernel_histogram(const struct kernel *kernel, enum kernel_probe probe, unsigned which,
		     uint64_t slots[KERNEL_SLOTS], uint64_t *ret_sum_us);
/* The run-queue histogram in 32 slots, one for each power of two of us: slot i holds values below
 * 2^i. count 0: unknown. */
void kernel_runq_histogram(const struct kernel *kernel, uint64_t slots[32], uint64_t *ret_sum_us,
			   uint64_t *ret_count);

/* Once a tick: sets the share of task switches that is measured, from their rate. Returns N: one in
 * N is measured. */
uint64_t kernel_runq_tune(struct kernel *kernel, uint64_t now_us);
/* Once a tick: at a high rate of switches the probe is attached only part of the time
 * (duty_cycle.h), and for a smaller part while the CPUs are idle. 0 with that share of the time and
 * the switches a second while attached; or -errno: the probe is not available now. */
int kernel_runq_throttle(struct kernel *kernel, bool idle, uint64_t now_us, double *ret_share,
			 uint64_t *ret_per_s);
/* Counts the tasks of one control group separately (its id is the inode of its cgroup2 directory);
 * 0: none. */
void kernel_runq_cgroup(struct kernel *kernel, uint64_t id);

/* Times that tasks spend in fsync(), in a commit, in reclaim; `which` as above. */
struct kernel_spans {
	uint64_t entered; /* how often, since the probe was loaded */
	uint64_t open; /* tasks that are there now */
	uint64_t spent_us; /* task time spent since load, open spans up to now included */
	/* how long the oldest task is there, at least; 0: none is. With PROBE_FSYNC at most 67 ms
	 * less than it is, of other probes the mean of all that are there. */
	uint64_t oldest_us;
};
int kernel_spans_read(const struct kernel *kernel, enum kernel_probe probe, unsigned which,
		      uint64_t now_us, struct kernel_spans *ret);
/* Sets the file systems (st_dev) of the spool: at most 8 are used. */
void kernel_fsync_spool(struct kernel *kernel, const dev_t *file_systems, unsigned count);
/* Calls of fsync() on these file systems (on all, where none is set) by control group: a descriptor
 * of the probe's map, the caller's, from cgroup2 ids to counts (both uint64_t) with room for
 * FSYNC_GROUPS (shared.h); or -errno. */
int kernel_fsync_groups(const struct kernel *kernel);
/* Kills since the probe was loaded. 0 or -ENODATA. */
int kernel_oom_kills(const struct kernel *kernel, uint64_t *ret_count);

/* Block requests of one device and kind, since the probe was loaded. */
enum kernel_disk_op { KERNEL_DISK_READ, KERNEL_DISK_WRITE, KERNEL_DISK_FLUSH, KERNEL_DISK_OPS };
struct kernel_disk {
	uint64_t sum_us;
	const uint64_t
		/* changes while it is read; at a high rate, from a sample of the requests */
		*slots;
};
/* Counts this device separately from now on. Returns its slot (at least 1), or -ENOSPC: there are
 * too many devices, and it is counted in slot 0. */
int kernel_disk_watch(struct kernel *kernel, unsigned major, unsigned minor);
/* At each reading of the disks: sets the share of requests that is measured, from their rate. */
void kernel_disk_tune(struct kernel *kernel, uint64_t now_us);
int kernel_disk_read(const struct kernel *kernel, int slot, enum kernel_disk_op kind,
		     struct kernel_disk *ret);

/* The sessions of one service: sums over its ports. */
struct kernel_smtp {
	uint64_t opened, closed, greeted, completed, session_us, server_us;
	uint64_t busy_us; /* integral of busy over time */
	double in_flight, ungreeted, busy, refused_open;
	/* false: this kernel does not accept smtp_look, so a sender that stalls counts as busy */
	bool sees_waits;
	double stuck; /* in flight, and no load: core/overtaken.h. Not included in `busy` */
	uint64_t oldest_waiting_us; /* 0: no session waits */
	const uint64_t *connect_220[CONFIG_PORTS]; /* live histograms, NULL ends */
};

/* 0, or -ENODATA: the probe is not loaded. No system call. */
int kernel_smtp_read(const struct kernel *kernel, unsigned service, uint64_t now_us,
		     struct kernel_smtp *ret);
/* Where the kernel counts the sessions of one service that wait for their greeting, for another BPF
 * program that needs this count at every moment: a map of one value, in which `at` is the place of
 * struct smtp_port's `ungreeted` (bpf/shared.h) of the first port. */
struct kernel_live {
	int map_fd; /* stays the probe's */
	size_t map_bytes;
	uint32_t at; /* offset in bytes */
	uint32_t slots; /* the service's ports, as bits; 0: they are not counted */
};
/* 0, or -ENODATA: the probe is not loaded, and ret->slots is 0. */
int kernel_smtp_live(const struct kernel *kernel, unsigned service, struct kernel_live *ret);
/* For the recent session of this client: how long the server worked for it, in us, and how often it
 * answered, the greeting included (255: or more). 0, or -ENOENT: not known. */
int kernel_smtp_work(const struct kernel *kernel, const struct in6_addr *client,
		     uint16_t client_port, uint16_t port, uint64_t *ret_us, uint8_t *ret_turns);
/* Reports that a front refused this client: its connection is not a session of the server. */
void kernel_smtp_mark_refused(struct kernel *kernel, unsigned service,
			      const struct in6_addr *address, uint16_t port, uint64_t now_us);
/* Once a tick: checks for busy sessions whether the server is really working, and removes marks
 * whose connection is gone. Every 10 s it compares the counts with the existing sessions. Returns
 * the drift that was corrected. */
unsigned kernel_smtp_audit(struct kernel *kernel, uint64_t now_us);

#endif
