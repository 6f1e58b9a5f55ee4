/* Compares the SMTP probe's counts of sessions with the sessions in its map, and corrects what
 * drifts: two programs of the kernel that run at once for one session may count it wrongly. */
#ifndef PENSTOCK_KERNEL_SMTP_AUDIT_H
#define PENSTOCK_KERNEL_SMTP_AUDIT_H

#include "shared.h"

struct smtp_bpf;

/* All zeros: there was no audit yet. */
struct smtp_audit {
	uint64_t made_us;
	struct {
		int64_t in_flight, ungreeted, busy, stuck;
	} drift[SMTP_PORTS]; /* differences that one audit found, by port */
};

/* Once a tick: audits every ten seconds. Returns the number of sessions by which counts were
 * corrected. */
unsigned smtp_audit_step(struct smtp_audit *audit, struct smtp_bpf *bpf, uint64_t now_us);

#endif
