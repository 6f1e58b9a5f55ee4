/* The probes by name. */
#ifndef PENSTOCK_KERNEL_PROBES_H
#define PENSTOCK_KERNEL_PROBES_H

enum kernel_probe {
	PROBE_RUNQ,
	PROBE_BLKIO,
	PROBE_SMTP,
	PROBE_FSYNC,
	PROBE_JBD2,
	PROBE_RECLAIM,
	PROBE_OOM,
	PROBE__COUNT
};

#define KERNEL_SLOTS 256 /* of a probe's histograms, as COUNTS_SLOTS */

#endif
