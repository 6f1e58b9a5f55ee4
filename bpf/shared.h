/* What the probes and the daemon both read: plain numbers in mmapped .bss, so that a reading costs no system call. */
#ifndef PENSTOCK_BPF_SHARED_H
#define PENSTOCK_BPF_SHARED_H

#define SMTP_PORTS 16 /* watched, a power of two */
#define SMTP_WHEEL \
	1024 /* slots of 2^26 ns (67 ms) of the wheel of sessions that wait for their greeting */
#define SMTP_WHEEL_SHIFT 26
/* 8 slots to the power of two, of microseconds: as core/counts.h. */
#define TIME_SLOTS 256

struct smtp_port {
	uint64_t opened, closed; /* connections since load */
	uint64_t greeted;
	uint64_t completed; /* greeted, spoken to by the client, closed */
	int64_t in_flight; /* established or CLOSE_WAIT, of those the server has not closed */
	int64_t refused_open; /* of these, refused by penstock itself */
	int64_t waiting;
	int64_t busy; /* the client spoke last, or waits for its greeting */
	uint64_t session_us, server_us; /* sums over closed sessions */
	uint64_t connect_220[TIME_SLOTS];
	int32_t wheel[SMTP_WHEEL]; /* waiting sessions by the time of their connection */
};

struct smtp_tuple {
	uint32_t address[4]; /* client; IPv4 mapped: 0, 0, 0xffff0000 (network order), address */
	uint16_t port; /* client, host order */
	uint16_t local; /* server, host order */
};

#endif
