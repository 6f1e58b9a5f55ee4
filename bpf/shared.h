/* The memory that probes write and the daemon reads: plain numbers in mmapped .bss, so that a
 * reading costs no system call. */
#ifndef PENSTOCK_BPF_SHARED_H
#define PENSTOCK_BPF_SHARED_H

#include <stdint.h>

#define RESPONDER_MARK 0x70736772u /* SO_MARK of the responder's sockets: "psgr", as GATE_MARK */
#define SMTP_TURNS_PER_JOB 8 /* as SMTP_TRACK_TURNS_PER_JOB of core/smtp_track.h */
/* As BOUNDS_ONCE of core/overtaken.h, and OVERTAKEN_MIN, BOUNDS_TIMES_MAX, BOUNDS_FADE_JOBS,
 * OWED_LONG_S and SLOW_PARTS of core/law.h: kernel/probe_smtp.c asserts it. */
#define SMTP_OVERTAKEN_MIN 8
#define SMTP_BOUNDS_ONCE 4096
#define SMTP_BOUNDS_MORE_MAX (29 * SMTP_BOUNDS_ONCE)
#define SMTP_BOUNDS_FADE_SHIFT 8
#define SMTP_OWED_LONG_NS 10000000000ull
#define SMTP_SLOW_PARTS 5
#define SMTP_PORTS 16 /* watched ports; a power of two */
/* What began and has not ended, counted by the time at which it began: daemon/kernel/wheel.h finds
 * the oldest without a walk. 1024 slots of 2^26 ns (67 ms) go around once in 69 s. */
#define WHEEL_SLOTS 1024
#define WHEEL_SHIFT 26
/* 8 slots for each power of two, of microseconds: as in core/counts.h. */
#define TIME_SLOTS 256

/* A cumulative histogram of microseconds. */
struct hist {
	uint64_t slots[TIME_SLOTS];
	uint64_t sum_us;
	uint64_t pad[7]; /* whole cache lines, so that CPUs share none */
};

/* State of one CPU: at a high rate only one event in many is measured, and counts for all of them
 * (bpf/sampling.h). */
struct sampling {
	uint64_t left; /* events until the next one that is measured */
	uint64_t weight; /* how many events that one stands for */
	uint64_t events; /* all events, as of the last one that was measured */
	uint64_t pad[5];
};

/* Run-queue latency, a row for each CPU. */
struct runq_row {
	struct hist all, mta; /* mta: of one control group only */
	struct sampling sampling;
};

#define BLK_DEVICES 32 /* devices with a slot of their own, a power of two; slot 0: all others */
enum blk_op_kind { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_OPS };

/* The slot of a device: a table with open addressing and few probes, which user space fills. */
#define BLK_PLACES 128 /* a power of two */
#define BLK_PROBES 4
struct blk_place {
	uint32_t device; /* major << 20 | minor; 0: free */
	uint32_t slot;
};
static inline uint32_t blk_place_of(uint32_t device)
{
	return (device * 0x9e3779b9u) >> 25;
}

struct blk_op {
	uint64_t sum_us;
	uint64_t slots[TIME_SLOTS];
};

struct blk_device {
	struct blk_op op[BLK_OPS];
};

#define FSYNC_SPOOLS 8 /* file systems that queue directories lie on */
#define FSYNC_GROUPS 1024 /* control groups whose calls are counted */

/* Spans of tasks in one kind of place. For finished spans there is the sum of their times; for open
 * ones there are their number and the sum of their beginnings. So the time spent up to now is
 * finished_ns + open * now - open_since_ns, without a walk (daemon/kernel/open_sum.h). */
struct spans {
	uint64_t entered;
	uint64_t finished_ns;
	int64_t open;
	uint64_t open_since_ns;
	struct hist hist;
};

enum reclaim_kind { RECLAIM_DIRECT, RECLAIM_CGROUP, RECLAIM_KINDS };

struct smtp_port {
	uint64_t opened, closed; /* connections since the probe was loaded */
	uint64_t greeted;
	uint64_t given; /* of these, to sessions that had not been overtaken */
	uint64_t completed; /* jobs, as core/smtp_track.h counts them */
	int64_t in_flight; /* established or CLOSE_WAIT, and not closed by the server */
	int64_t refused_open; /* of these, connections that penstock itself refused */
	int64_t ungreeted;
	/* of the above, sessions that are not yet tied to a socket */
	int64_t seeded, seeded_ungreeted, seeded_busy;
	int64_t busy; /* the client spoke last, or waits for its greeting */
	int64_t stuck; /* overtaken, or owed an answer for very long: not in `busy` */
	uint64_t bounds_more; /* `more` of core/overtaken.h */
	/* The time for which sessions were busy, summed over all, is busy_ns + (busy - seeded_busy)
	 * * now - busy_since_ns (daemon/kernel/open_sum.h). */
	uint64_t busy_ns, busy_since_ns;
	uint64_t session_us, server_us; /* sums over closed sessions */
	uint64_t connect_220[TIME_SLOTS];
	int32_t wheel[WHEEL_SLOTS]; /* waiting sessions by the time of their connection */
};

/* A session, kept by smtp.bpf.c and read by the audit. */
struct smtp_session {
	/* turned: since when the server owes an answer */
	uint64_t opened_ns, greeted_ns, turned_ns;
	uint64_t sent; /* bytes, when last looked at */
	uint64_t server_ns; /* sum of the server's time, while it was not stuck */
	uint64_t stuck_since_ns, was_stuck_ns; /* was_stuck: total time in which it was stuck */
	uint64_t overtaken_at; /* number of greetings given at which it is overtaken */
	uint64_t asked_at; /* with `asked`: jobs done when it began to wait for its answer */
	uint64_t source; /* its client's address, of IPv6 the first 64 bits */
	uint32_t before; /* sessions that the server owed something then */
	uint32_t slot; /* of the port */
	uint32_t turns; /* answers that the server gave */
	uint8_t busy, spoke; /* spoke: the client has spoken since the greeting */
	uint8_t wheeled; /* waits for its greeting, and has not been overtaken */
	uint8_t stuck; /* overtaken, or owed an answer for very long, and not counted as busy */
	uint8_t asked; /* it waits for an answer, and not for the greeting */
	uint8_t pad[7];
};

#define SMTP_LOOKS 12 /* sessions that one run of smtp_look takes */
/* In a session's key for smtp_look (an address, so its low bits are 0): it is slow, and its source
 * has more slow sessions than count as load. */
#define SMTP_LOOK_LIMITED 1

/* A session that was open before the probe: user space enters it once, by its tuple. */
struct smtp_seed {
	uint64_t opened_ns; /* as far as known */
	uint64_t sent; /* bytes sent by the server */
	uint32_t slot;
	uint8_t busy, ungreeted, pad[2];
};

struct smtp_tuple {
	uint32_t address[4]; /* client; IPv4 mapped: 0, 0, 0xffff0000 (network order), address */
	uint16_t port; /* client, host order */
	uint16_t local; /* server, host order */
};

#endif
