/* The inside of the gate. Its files: gate.c (life), gate_maps.c (what is written into the kernel
 * and read from it), gate_deaf.c (drops SYNs) and gate_audit.c (compares the count with the
 * sockets). For these files only. */
#ifndef PENSTOCK_KERNEL_GATE_PARTS_H
#define PENSTOCK_KERNEL_GATE_PARTS_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>

#include "gate_shared.h"
#include "kernel/gate.h"
#include "kernel/syn_judge.h"

enum gate_map {
	MAP_STATE,
	MAP_TICKETS,
	MAP_SESSIONS,
	MAP_REFUSED,
	MAP_RECENTLY_CLOSED,
	MAP_LISTENERS,
	MAP_POSTPONED,
	MAP_TRUSTED_NETWORKS,
	MAP_REFUSED_NETWORKS,
	MAP_RANKS,
	MAP_HELD,
	MAP_HEARING,
	MAP_TOLD,
	MAP_COUNTERS,
	MAP_EVENTS,
	MAP__COUNT
};

enum gate_link { LINK_LOOKUP, LINK_STATE, LINK_DESTROY, LINK__COUNT };

struct gate {
	struct gate_options options;
	struct bpf_object *object;
	const char *form;
	int map[MAP__COUNT], link[LINK__COUNT], walk_fd;
	int deaf_fd[2]; /* IPv4 and IPv6; below 0: there is none, and no SYN is dropped */
	int expire_fd, forget_fd; /* programs that user space runs */
	struct gate_state *state; /* mapped */
	size_t state_size;
	struct ring_buffer *ring;
	bool taken_over;

	/* scratch memory of gate_poll() */
	int cpus;
	struct gate_counters *per_cpu, last;
	uint64_t last_errors, last_postponed, expired, repaired;
	struct counts *counts;
	void (*on_event)(void *context, const struct gate_event *event);
	void *context;
	uint32_t cursor; /* position of the walk through the tickets */
	bool walking;
	uint32_t tickets;
	uint64_t handshakes[GATE_HANDSHAKE_SLOTS], ticket_life_us, patience_us, judged_us;
	struct syn_judge judge;
	uint64_t flood_us; /* when many SYNs failed for the last time */

	/* used by the audit's thread */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool thread_runs, stop;
	int netns_fd; /* a copy, -1: ours */
};

/* gate_maps.c */
/* Runs gate_expire or gate_forget. 1: done; 0: there was nothing to do; -1: this kernel cannot run
 * it. */
int gate_by_hand(int program_fd, const uint64_t *words, uint32_t count);
/* Gives back the place of a ticket or session whose entry was deleted. */
void gate_release(struct gate *gate, const struct smtp_tuple *tuple, uint32_t flags);
int gate_event_read(void *context, void *data, size_t size);
int gate_map_networks(struct gate *gate, enum gate_map map, uint32_t *count,
		      const struct gate_network *networks, unsigned n);

/* gate_deaf.c */
/* Opens the listeners of GATE_DEAF_V4 and GATE_DEAF_V6 in this namespace. Each is a descriptor that
 * the caller closes, or -errno. */
void gate_deaf_open(int netns_fd, int ret_fds[2]);

/* gate_audit.c */
/* Walks over every TCP socket of the MTA's namespace: adds sessions that are not counted, and
 * removes those without a socket. Returns how many were wrong, or -errno. */
int gate_audit(struct gate *gate);
int gate_audit_start(struct gate *gate);
void gate_audit_stop(struct gate *gate);

#endif
