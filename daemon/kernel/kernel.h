/* What this kernel lets penstock see through BPF: which probe loads, in which form, and why not. Owns the loaded objects; the
 * sensors read through it. Nothing here knows of pressure or plans. */
#ifndef PENSTOCK_KERNEL_KERNEL_H
#define PENSTOCK_KERNEL_KERNEL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

struct kernel;
struct text;

enum kernel_probe { PROBE_RUNQ, PROBE_BLKIO, PROBE_SMTP, PROBE__COUNT };

/* Loads every probe that can be loaded. 0 when at least one works, else -errno with a sentence in `why` (256). */
int kernel_open(const struct config *config, struct kernel **ret_kernel, char *why);
void kernel_close(struct kernel *kernel);
/* NULL when the probe works, else why not. */
const char *kernel_probe_why(const struct kernel *kernel, enum kernel_probe probe);
/* Probe by probe: its form, or why not. */
void kernel_support(const struct kernel *kernel, struct text *out);

#define KERNEL_SLOTS 256 /* as COUNTS_SLOTS */
/* Cumulative histogram (slots of counts_slot(), us) and its sum of PROBE_RUNQ or PROBE_BLKIO. 0 or -errno. */
int kernel_histogram(const struct kernel *kernel, enum kernel_probe probe,
		     uint64_t slots[KERNEL_SLOTS], uint64_t *ret_sum_us);
/* The run-queue histogram in 32 slots, one a power of two of us: slot i holds values below 2^i. count 0: not known. */
void kernel_runq_histogram(const struct kernel *kernel, uint64_t slots[32], uint64_t *ret_sum_us,
			   uint64_t *ret_count);

/* The sessions of one service: sums over its ports. */
struct kernel_smtp {
	uint64_t opened, closed, greeted, completed, session_us, server_us;
	double in_flight, waiting, busy, refused_open;
	uint64_t oldest_waiting_us; /* 0: none waits */
	const uint64_t *connect_220[CONFIG_PORTS]; /* live histograms, NULL ends */
};

/* 0 or -ENODATA when the probe is not loaded. No system call. */
int kernel_smtp_read(const struct kernel *kernel, unsigned service, uint64_t now_us,
		     struct kernel_smtp *ret);
/* A front refused this client: its connection is not a session of the server. */
void kernel_smtp_mark_refused(struct kernel *kernel, unsigned service,
			      const struct in6_addr *address, uint16_t port, uint64_t now_us);
/* Once a tick: expires marks whose connection was gone already, and every 10 s compares the counts with the sessions that
 * there are; returns the drift that was corrected. */
unsigned kernel_smtp_audit(struct kernel *kernel, uint64_t now_us);

#endif
