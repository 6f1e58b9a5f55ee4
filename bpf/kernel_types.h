/* The few fields of kernel structs that the probes read, by CO-RE: offsets come from the running
 * kernel's BTF. There is no generated vmlinux.h, so the build does not depend on the kernel of the
 * building machine. */
#ifndef PENSTOCK_BPF_KERNEL_TYPES_H
#define PENSTOCK_BPF_KERNEL_TYPES_H

#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef int32_t __s32;
typedef int64_t __s64;
typedef u16 __be16;
typedef u32 __be32;
typedef u32 __wsum;

/* The part of <linux/bpf.h> that is used. */
enum bpf_map_type_used {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_SOCKMAP = 15,
	BPF_MAP_TYPE_RINGBUF = 27
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1 << 10 };

#define CORE __attribute__((preserve_access_index))

struct rq {
	u64 clock;
} CORE;

struct cfs_rq {
	struct rq *rq;
} CORE;

struct sched_entity {
	struct cfs_rq *cfs_rq;
} CORE;

struct sched_info {
	unsigned long long last_queued;
} CORE;

struct kernfs_node {
	u64 id;
} CORE;

struct cgroup {
	struct kernfs_node *kn;
} CORE;

struct css_set {
	struct cgroup *dfl_cgrp;
} CORE;

struct task_struct {
	int pid;
	struct sched_entity se;
	struct sched_info sched_info;
	struct css_set *cgroups;
} CORE;

struct gendisk {
	int major;
	int first_minor;
} CORE;

struct request_queue {
	struct gendisk *disk; /* since 5.15 */
} CORE;

struct request {
	u64 start_time_ns;
	unsigned int __data_len;
	unsigned int cmd_flags;
	struct request_queue *q;
} CORE;

/* The same struct before 5.17: CO-RE ignores the three underscores and what follows. */
struct request___old {
	struct gendisk *rq_disk;
} CORE;

struct super_block {
	u32 s_dev;
} CORE;

struct inode {
	struct super_block *i_sb;
} CORE;

struct file {
	struct inode *f_inode;
} CORE;

struct ns_common {
	unsigned int inum;
} CORE;

struct net {
	struct ns_common ns;
} CORE;

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		u8 u6_addr8[16];
		u32 u6_addr32[4];
	} in6_u;
} CORE;

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
} CORE;

struct list_head {
	struct list_head *next;
} CORE;

struct wait_queue_head {
	struct list_head head;
} CORE;

struct wait_queue_entry {
	void *private;
	struct list_head entry;
} CORE;

struct socket_wq {
	struct wait_queue_head wait;
} CORE;

struct sock {
	struct sock_common __sk_common;
	struct socket_wq *sk_wq;
	u32 sk_ack_backlog, sk_max_ack_backlog; /* of a listener: its accept queue */
	u32 sk_mark;
} CORE;

struct inet_connection_sock {
	u32 icsk_user_timeout; /* ms */
} CORE;

struct inet_sock {
	u16 inet_sport; /* network order; stays after the port was given back */
} CORE;

struct sk_buff {
	unsigned int len;
	unsigned char *data;
} CORE;

struct tcp_sock {
	u32 rcv_nxt, copied_seq;
	u32 snd_una, write_seq;
	u64 bytes_sent;
	u64 bytes_received, bytes_acked;
	u64 first_tx_mstamp;
} CORE;

#endif
