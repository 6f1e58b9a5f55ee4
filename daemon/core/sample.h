/* The table of all signals that penstock knows, and one tick's reading of them.
 *
 * A signal that no sensor could read is absent (`via` is VIA_NONE). Absent is not zero, and nothing
 * in core reads an absent value. The first sensor that puts a signal wins, so the order of the
 * sensors is the order of preference. */
#ifndef PENSTOCK_CORE_SAMPLE_H
#define PENSTOCK_CORE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

enum resource {
	RESOURCE_CPU,
	RESOURCE_MEMORY,
	RESOURCE_DISK,
	RESOURCE_NIC,
	RESOURCE_SMTP, /* the listener and the server behind it: slots, accept queue, server time */
	RESOURCE__COUNT
};

enum via {
	VIA_NONE, /* absent */
	VIA_BPF,
	VIA_PSI,
	VIA_PROCFS,
	VIA_SYSFS,
	VIA_CGROUP,
	VIA_NETLINK,
	VIA_SOCK_DIAG,
	VIA_FRONT,
	VIA_STATVFS,
	VIA_SPOOL, /* the MTA's queue directories, walked */
	VIA__COUNT
};

enum unit {
	UNIT_RATIO,
	UNIT_US,
	UNIT_BYTES,
	UNIT_BYTES_PER_S,
	UNIT_PER_S,
	UNIT_COUNT,
	UNIT_CORES,
	UNIT_BITS_PER_S,
	UNIT_S
};

/* X(id, name, resource, unit, default target, help). Target 0: shown, but no pressure is computed
 * from it. */
#define SIGNAL_TABLE(X) \
	X(CPU_STALL_RATIO, "cpu_stall_ratio", CPU, RATIO, 0.95, \
	  "share of time in which some task waited for a CPU (PSI some), whole machine") \
	X(MTA_CPU_STALL_RATIO, "mta_cpu_stall_ratio", CPU, RATIO, 0.95, \
	  "share of time in which some task of the MTA's control group waited for a CPU (PSI " \
	  "some)") \
	X(RUNQ_P99_US, "runq_p99_us", CPU, US, 50000, \
	  "99th percentile of the time a task that became runnable waited for a CPU") \
	X(RUNQ_P50_US, "runq_p50_us", CPU, US, 0, \
	  "median of the time a task that became runnable waited for a CPU") \
	X(MTA_RUNQ_P99_US, "mta_runq_p99_us", CPU, US, 50000, \
	  "99th percentile of the time a task of the MTA's control group that became runnable " \
	  "waited for a CPU") \
	X(CPU_BUSY_RATIO, "cpu_busy_ratio", CPU, RATIO, 0, \
	  "CPU time not idle and not waiting for I/O, of all cores") \
	X(CPU_STEAL_RATIO, "cpu_steal_ratio", CPU, RATIO, 0.2, \
	  "CPU time that the hypervisor gave to others") \
	X(MTA_CORES, "mta_cores", CPU, CORES, 0, \
	  "cores that the MTA may use: affinity, cpuset and CPU limit of its control groups") \
	X(MTA_CPU_CORES, "mta_cpu_cores", CPU, CORES, 0, \
	  "cores that the MTA's control group uses") \
	X(NEIGHBOUR_CORES, "neighbour_cores", CPU, CORES, 0, \
	  "cores used by the control group, other than the MTA's, that uses most") \
	X(MEM_STALL_RATIO, "mem_stall_ratio", MEMORY, RATIO, 0.2, \
	  "share of time in which some task waited for memory (PSI some), whole machine") \
	X(MTA_MEM_STALL_RATIO, "mta_mem_stall_ratio", MEMORY, RATIO, 0.2, \
	  "share of time in which some task of the MTA's control group waited for memory (PSI " \
	  "some)") \
	X(MEM_USED_RATIO, "mem_used_ratio", MEMORY, RATIO, 0.95, \
	  "memory that is neither available nor reclaimable, of all; page cache does not count") \
	X(MTA_MEM_USED_RATIO, "mta_mem_used_ratio", MEMORY, RATIO, 0.95, \
	  "working set of the MTA's control group, of its limit; page cache does not count") \
	X(MEM_AVAILABLE_BYTES, "mem_available_bytes", MEMORY, BYTES, 0, \
	  "memory that the MTA can still get: the least of the machine's and its control groups'") \
	X(MTA_MEM_BYTES, "mta_mem_bytes", MEMORY, BYTES, 0, \
	  "working set of the MTA's control group without page cache") \
	X(MTA_MEM_LIMIT_BYTES, "mta_mem_limit_bytes", MEMORY, BYTES, 0, \
	  "the least memory limit of the MTA's control groups and of those above them; absent " \
	  "while they have none") \
	X(MEM_EXHAUSTION_S, "mem_exhaustion_s", MEMORY, S, 0, \
	  "time until memory runs out at the trend of the last minutes to hours; absent while " \
	  "there is no such trend") \
	X(NEIGHBOUR_MEM_BYTES, "neighbour_mem_bytes", MEMORY, BYTES, 0, \
	  "memory without page cache of the control group, other than the MTA's, that has most") \
	X(LEAK_BYTES_PER_S, "leak_bytes_per_s", MEMORY, BYTES_PER_S, 0, \
	  "growth of the control group whose memory grows without end; absent while there is " \
	  "none") \
	X(DIRECT_RECLAIM_TASKS, "direct_reclaim_tasks", MEMORY, COUNT, 1.0, \
	  "tasks that must free memory themselves because the machine has none (direct reclaim), " \
	  "on average") \
	X(DIRECT_RECLAIM_P99_US, "direct_reclaim_p99_us", MEMORY, US, 0, \
	  "99th percentile of one stay in direct reclaim") \
	X(DIRECT_RECLAIMS_PER_S, "direct_reclaims_per_s", MEMORY, PER_S, 0, \
	  "entries into direct reclaim") \
	X(CGROUP_RECLAIM_TASKS, "cgroup_reclaim_tasks", MEMORY, COUNT, 0, \
	  "tasks that must free memory because their control group is at its limit, on average, " \
	  "of all groups") \
	X(CGROUP_RECLAIM_P99_US, "cgroup_reclaim_p99_us", MEMORY, US, 0, \
	  "99th percentile of one stay in the reclaim of a control group") \
	X(CGROUP_RECLAIMS_PER_S, "cgroup_reclaims_per_s", MEMORY, PER_S, 0, \
	  "entries into the reclaim of control groups, of all groups") \
	X(MTA_LIMIT_HITS_PER_S, "mta_limit_hits_per_s", MEMORY, PER_S, 0, \
	  "times that the MTA's control group met its memory limit or memory.high") \
	X(OOM_KILLS, "oom_kills_count", MEMORY, COUNT, 0, \
	  "processes that the kernel killed for want of memory in the last minute, machine and " \
	  "all control groups") \
	X(MTA_OOM_KILLS, "mta_oom_kills_count", MEMORY, COUNT, 0.5, \
	  "processes of the MTA's control group that the kernel killed for want of memory in the " \
	  "last minute") \
	X(IO_STALL_RATIO, "io_stall_ratio", DISK, RATIO, 0.95, \
	  "share of time in which some task waited for I/O (PSI some), whole machine") \
	X(MTA_IO_STALL_RATIO, "mta_io_stall_ratio", DISK, RATIO, 0.95, \
	  "share of time in which some task of the MTA's control group waited for I/O (PSI some)") \
	X(BLKIO_P99_US, "blkio_p99_us", DISK, US, 250000, \
	  "99th percentile of a read or write from entry to completion, scheduler queue " \
	  "included, of the disks that count") \
	X(BLKIO_P50_US, "blkio_p50_us", DISK, US, 0, \
	  "median of a block request from entry to completion") \
	X(READ_P99_US, "read_p99_us", DISK, US, 0, \
	  "99th percentile of a read from entry to completion") \
	X(WRITE_P99_US, "write_p99_us", DISK, US, 0, \
	  "99th percentile of a write from entry to completion") \
	X(FLUSH_P99_US, "flush_p99_us", DISK, US, 500000, \
	  "99th percentile of a flush of a disk's write cache, what every fsync waits for on any " \
	  "file system") \
	X(DISK_STUCK_US, "disk_stuck_us", DISK, US, 2000000, \
	  "since when a disk has requests and completes none") \
	X(FSYNC_P99_US, "fsync_p99_us", DISK, US, 1000000, \
	  "99th percentile of fsync(), or the age of the oldest that has not returned: of the " \
	  "queue's file systems where they are known, else of all (ext4; elsewhere see " \
	  "flush_p99_us)") \
	X(FSYNC_P50_US, "fsync_p50_us", DISK, US, 0, \
	  "median of fsync(), of the same file systems") \
	X(FSYNC_TASKS, "fsync_tasks", DISK, COUNT, 0, \
	  "tasks in fsync(), on average, of the same file systems") \
	X(FSYNCS_PER_S, "fsyncs_per_s", DISK, PER_S, 0, \
	  "calls of fsync(), of the same file systems") \
	X(JOURNAL_COMMIT_P99_US, "journal_commit_p99_us", DISK, US, 1000000, \
	  "99th percentile of a commit of the journal, where fsync() itself cannot be seen") \
	X(DISK_AWAIT_US, "disk_await_us", DISK, US, 250000, \
	  "mean time of a request on the worst disk that counts: the queue's where queue_dirs " \
	  "tell which, else all") \
	X(FLUSH_AWAIT_US, "flush_await_us", DISK, US, 500000, \
	  "mean time of a flush on the worst disk") \
	X(DISK_READ_BYTES_PER_S, "disk_read_bytes_per_s", DISK, BYTES_PER_S, 0, \
	  "read from all disks that count") \
	X(DISK_WRITE_BYTES_PER_S, "disk_write_bytes_per_s", DISK, BYTES_PER_S, 0, \
	  "written to all disks that count") \
	X(DISK_FLUSHES_PER_S, "disk_flushes_per_s", DISK, PER_S, 0, \
	  "flushes of all disks that count") \
	X(DISK_BUSY_RATIO, "disk_busy_ratio", DISK, RATIO, 0, \
	  "share of time in which the busiest disk had work") \
	X(DISK_IOS_PER_S, "disk_ios_per_s", DISK, PER_S, 0, \
	  "completed requests of all disks that count") \
	X(DISK_IN_FLIGHT, "disk_in_flight_count", DISK, COUNT, 0, \
	  "requests in flight on all disks that count") \
	X(SPOOL_USED_RATIO, "spool_used_ratio", DISK, RATIO, 0.97, \
	  "space used on the fullest queue file system") \
	X(SPOOL_INODES_USED_RATIO, "spool_inodes_used_ratio", DISK, RATIO, 0.97, \
	  "inodes used on the fullest queue file system") \
	X(SPOOL_FREE_BYTES, "spool_free_bytes", DISK, BYTES, 0, \
	  "space free for the MTA on the fullest queue file system") \
	X(SPOOL_FREE_INODES, "spool_free_inodes_count", DISK, COUNT, 0, \
	  "inodes free on the queue file system that has fewest") \
	X(SPOOL_EXHAUSTION_S, "spool_exhaustion_s", DISK, S, 0, \
	  "time until the queue file system is full at the trend of the last minutes to hours; " \
	  "absent while there is no such trend") \
	X(SPOOL_INODES_EXHAUSTION_S, "spool_inodes_exhaustion_s", DISK, S, 0, \
	  "time until the queue file system has no inode left at the trend of the last minutes " \
	  "to hours; absent while there is none") \
	X(MTA_IO_BYTES_PER_S, "mta_io_bytes_per_s", DISK, BYTES_PER_S, 0, \
	  "read and written by the MTA's control group") \
	X(MTA_IOS_PER_S, "mta_ios_per_s", DISK, PER_S, 0, "requests of the MTA's control group") \
	X(NEIGHBOUR_IO_BYTES_PER_S, "neighbour_io_bytes_per_s", DISK, BYTES_PER_S, 0, \
	  "I/O of the control group, other than the MTA's, that does most; 16 KiB are added for " \
	  "each request, and 64 KiB for each fsync(), whose commit the journal's thread writes") \
	X(MTA_IO_COST_BYTES_PER_S, "mta_io_cost_bytes_per_s", DISK, BYTES_PER_S, 0, \
	  "I/O of the MTA's control group, with the same additions as neighbour_io_bytes_per_s") \
	X(NIC_RX_BYTES_PER_S, "nic_rx_bytes_per_s", NIC, BYTES_PER_S, 0, \
	  "received, all interfaces that count") \
	X(NIC_TX_BYTES_PER_S, "nic_tx_bytes_per_s", NIC, BYTES_PER_S, 0, \
	  "sent, all interfaces that count") \
	X(NIC_USE_RATIO, "nic_use_ratio", NIC, RATIO, 0.95, \
	  "the busier direction of the busiest interface, of its speed") \
	X(NIC_DROPS_PER_S, "nic_drops_per_s", NIC, PER_S, 1000, \
	  "packets dropped by interfaces and queueing disciplines") \
	X(NIC_BACKLOG_RATIO, "nic_backlog_seconds_ratio", NIC, RATIO, 1.0, \
	  "queueing discipline backlog in seconds at link speed") \
	X(NIC_BACKLOG_BYTES, "nic_backlog_bytes", NIC, BYTES, 0, \
	  "bytes that wait in queueing disciplines") \
	X(NIC_SPEED_BITS_PER_S, "nic_speed_bits_per_s", NIC, BITS_PER_S, 0, \
	  "speed of the busiest interface") \
	X(NIC_DOWN_COUNT, "nic_down_count", NIC, COUNT, 0, \
	  "interfaces that count and have no carrier") \
	X(SOFTNET_DROPS_PER_S, "softnet_drops_per_s", NIC, PER_S, 100, \
	  "packets dropped because a CPU's receive backlog was full") \
	X(SOFTNET_SQUEEZED_PER_S, "softnet_squeezed_per_s", NIC, PER_S, 0, \
	  "times a second that a CPU's budget ran out with packets left to receive") \
	X(CONNECT_220_P99_US, "connect_to_220_p99_us", SMTP, US, 500000, \
	  "99th percentile from connection to greeting; the target stands above the learned " \
	  "unloaded time") \
	X(CONNECT_220_P50_US, "connect_to_220_p50_us", SMTP, US, 0, \
	  "median from connection to greeting") \
	X(OLDEST_WAITING_US, "oldest_waiting_us", SMTP, US, 1000000, \
	  "age of the oldest session that still waits for its greeting") \
	X(WAITING_COUNT, "waiting_count", SMTP, COUNT, 0, "sessions that wait for their greeting") \
	X(ACCEPT_QUEUE_RATIO, "accept_queue_ratio", SMTP, RATIO, 0.5, \
	  "accept queue of the fullest SMTP listener, of its limit") \
	X(ACCEPT_QUEUE_COUNT, "accept_queue_count", SMTP, COUNT, 0, \
	  "connections in the accept queues of the SMTP listeners") \
	X(LISTEN_OVERFLOWS_PER_S, "listen_overflows_per_s", SMTP, PER_S, 0, \
	  "connections refused because an accept queue was full, all listeners of the MTA's " \
	  "network namespace") \
	X(LISTEN_DROPS_PER_S, "listen_drops_per_s", SMTP, PER_S, 0, \
	  "connections that listeners dropped for whatever reason, all listeners of the MTA's " \
	  "network namespace") \
	X(SYN_COOKIES_PER_S, "syn_cookies_per_s", SMTP, PER_S, 0, \
	  "SYN cookies sent because a request queue was full, all listeners of the MTA's network " \
	  "namespace") \
	X(QUEUE_COUNT, "queue_count", SMTP, COUNT, 0, \
	  "messages in the MTA's queue directories; what an operator holds does not count") \
	X(QUEUE_READY_COUNT, "queue_ready_count", SMTP, COUNT, 0, \
	  "messages in the queue that wait for this machine: not yet tried, or being tried") \
	X(QUEUE_OLDEST_S, "queue_oldest_s", SMTP, S, 0, \
	  "how long the message that waits longest for this machine has been due") \
	X(QUEUE_GROWTH_PER_S, "queue_growth_per_s", SMTP, PER_S, 0, \
	  "messages a second by which those that wait for this machine grow; 0 while they do not") \
	X(QUEUE_DRAIN_S, "queue_drain_s", SMTP, S, 60, \
	  "time that the messages which wait for this machine take at the rate at which they " \
	  "leave; a few do not count") \
	X(FILTER_QUEUE_RATIO, "filter_queue_ratio", SMTP, RATIO, 0, \
	  "accept queue of the fullest filter that the mail server hands its mail to, of its " \
	  "limit") \
	X(FILTER_QUEUE_COUNT, "filter_queue_count", SMTP, COUNT, 0, \
	  "connections in the accept queues of those filters") \
	X(FILTER_CONNECTIONS, "filter_connections_count", SMTP, COUNT, 0, \
	  "connections of the mail server to those filters, every few seconds") \
	X(FILTER_CPU_CORES, "filter_cpu_cores", CPU, CORES, 0, \
	  "cores that the control groups of those filters use") \
	X(SERVER_TIME_US, "server_time_us", SMTP, US, 500000, \
	  "T: what a session costs the server in time, busy sessions / completions a second; " \
	  "more than 60 s is shown as 60 s") \
	X(IN_FLIGHT_COUNT, "in_flight_count", SMTP, COUNT, 0, \
	  "admitted sessions that the server has not closed yet") \
	X(BUSY_COUNT, "busy_count", SMTP, COUNT, 0, "sessions in which the server owes an answer")

enum signal {
#define X(id, ...) SIGNAL_##id,
	SIGNAL_TABLE(X)
#undef X
		SIGNAL__COUNT
};

struct signal_info {
	const char *name;
	enum resource resource;
	enum unit unit;
	double target; /* default; 0: none */
	const char *help;
};

extern const struct signal_info signal_info[SIGNAL__COUNT];

struct sample {
	uint64_t now_us; /* CLOCK_MONOTONIC at the start of the tick */
	double value[SIGNAL__COUNT];
	uint8_t via[SIGNAL__COUNT]; /* enum via */
};

void sample_clear(struct sample *sample, uint64_t now_us);
/* Puts a value unless the signal is present already. NaN, infinite and negative values are refused.
 * Returns whether it was put. */
bool sample_put(struct sample *sample, enum signal signal, double value, enum via via);
static inline bool sample_has(const struct sample *sample, enum signal signal)
{
	return sample->via[signal] != VIA_NONE;
}
/* The value; `otherwise` if it is absent. */
static inline double sample_get(const struct sample *sample, enum signal signal, double otherwise)
{
	return sample_has(sample, signal) ? sample->value[signal] : otherwise;
}

const char *resource_name(enum resource resource);
const char *via_name(enum via via);
/* SIGNAL__COUNT: there is no signal of that name. */
enum signal signal_by_name(const char *name);

#endif
