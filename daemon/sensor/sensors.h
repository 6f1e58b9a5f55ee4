/* The sensors, one line each; registry.c gives their order. */
#ifndef PENSTOCK_SENSOR_SENSORS_H
#define PENSTOCK_SENSOR_SENSORS_H

#include "sensor/sensor.h"

extern const struct sensor_ops sensor_bpf_smtp; /* sessions by socket states */
extern const struct sensor_ops sensor_bpf_runq; /* run-queue latency */
extern const struct sensor_ops sensor_bpf_fsync; /* fsync latency */
extern const struct sensor_ops
	sensor_bpf_jbd2; /* commits of the journal, if fsync is not visible */
extern const struct sensor_ops sensor_bpf_reclaim; /* tasks in direct and cgroup reclaim */
extern const struct sensor_ops sensor_bpf_oom; /* OOM kills */
extern const struct sensor_ops sensor_vmstat; /* both, by /proc/vmstat */
extern const struct sensor_ops sensor_cgroup; /* the MTA's control group */
extern const struct sensor_ops sensor_psi; /* stalls of the machine */
extern const struct sensor_ops sensor_cpu; /* /proc/stat */
extern const struct sensor_ops sensor_memory; /* /proc/meminfo */
extern const struct sensor_ops sensor_disk; /* /proc/diskstats, and block requests by BPF */
extern const struct sensor_ops sensor_spool; /* space and inodes of the queue directories */
extern const struct sensor_ops sensor_queue; /* messages in the queue directories */
extern const struct sensor_ops sensor_nic; /* links and queueing disciplines, libnl */
extern const struct sensor_ops sensor_neighbours; /* other control groups */
extern const struct sensor_ops sensor_filters; /* filters to which the server passes its mail */
extern const struct sensor_ops sensor_netstat; /* softnet, listeners' losses */
extern const struct sensor_ops sensor_listen; /* accept queues, sock_diag */

#endif
