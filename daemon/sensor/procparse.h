/* The kernel's text files as numbers: pure functions on strings, fuzzed
 * (tests/fuzz/fuzz_procparse.c). */
#ifndef PENSTOCK_SENSOR_PROCPARSE_H
#define PENSTOCK_SENSOR_PROCPARSE_H

#include <stdbool.h>
#include <stdint.h>

/* "some ... total=N" of a pressure file, us. 0 or -EINVAL. */
int procparse_psi_some(const char *content, uint64_t *ret_total_us);

struct procparse_cpu {
	uint64_t all, idle, steal; /* ticks; idle with iowait */
};
/* The "cpu " line of /proc/stat. 0 or -EINVAL. */
int procparse_cpu(const char *content, struct procparse_cpu *ret);

#define PROCPARSE_MEMINFO_SIZE 4096 /* room for all of it */
/* MemTotal and MemAvailable of /proc/meminfo, bytes; the latter is never the larger. 0. -ENOENT:
 * the kernel gives no MemAvailable (before 3.14). -EINVAL: it is not a number, or MemTotal is less
 * than any machine has (16 MiB). */
int procparse_meminfo(const char *content, uint64_t *ret_all, uint64_t *ret_available);

struct procparse_disk {
	char name[32];
	unsigned major, minor;
	uint64_t ios, time_ms; /* completed reads and writes, their time */
	uint64_t in_flight, busy_ms; /* now; time with work */
	struct {
		uint64_t count, bytes, time_ms;
	} op[3]; /* reads, writes, flushes (5.5 and later, whole disks) */
};
/* The next line of /proc/diskstats at *cursor, which moves on. 1, or 0 at the end; malformed lines
 * are skipped. */
int procparse_disk(const char **cursor, struct procparse_disk *ret);
/* Whether the name is that of a real disk: not a partition (sda1, nvme0n1p1, vda1), loop, ram,
 * zram, fd or sr. */
bool procparse_is_disk(const char *name);

/* The cgroup2 path ("0::/path") of /proc/PID/cgroup, or with `controller` that of a v1 hierarchy
 * ("memory"). 0 or -ENOENT; -ERANGE when it does not fit. */
int procparse_cgroup(const char *content, const char *controller, char *path, unsigned size);

/* CPU time that a control group has used, us: cpu.stat of cgroup2, or cpuacct.usage of v1 (ns). 0,
 * -ENOENT or -EINVAL. */
int procparse_cpu_used(const char *content, bool v1, uint64_t *ret_us);

struct procparse_io {
	uint64_t bytes, ios; /* read and written, all devices */
};
/* io.stat of a cgroup2. 0; an empty file is no I/O yet. */
int procparse_io_stat(const char *content, struct procparse_io *ret);
/* blkio.throttle.io_service_bytes or io_serviced of v1: the sum of reads and writes. 0. */
int procparse_blkio(const char *content, uint64_t *ret_sum);

/* Columns of /proc/net/softnet_stat, all CPUs. 0 or -EINVAL. */
int procparse_softnet(const char *content, uint64_t *ret_dropped, uint64_t *ret_squeezed);
/* A counter of /proc/net/netstat or snmp: `group` "TcpExt", `name` "ListenDrops". 0 or -ENOENT. */
int procparse_netstat(const char *content, const char *group, const char *name,
		      uint64_t *ret_value);

#endif
