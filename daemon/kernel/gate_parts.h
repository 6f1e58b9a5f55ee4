/* The inside of the gate, for its files only: gate.c (life), gate_load.c (the object in the
 * kernel), gate_handover.c (what the next penstockd takes over), gate_maps.c (what goes into the
 * maps and comes back), gate_tickets.c (connections that are no session yet), gate_deaf.c (what
 * drops SYNs) and gate_audit.c (the count against the sockets there are). */
#ifndef PENSTOCK_KERNEL_GATE_PARTS_H
#define PENSTOCK_KERNEL_GATE_PARTS_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>

#include "gate_shared.h"
#include "kernel/gate.h"
#include "kernel/syn_judge.h"

/* Tickets of failed handshakes may hold one place in so many. */
#define GATE_TICKET_SHARE 8

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

/* gate_load.c */
/* Loads the object, with the maps that were handed over if they fit, and opens its maps. 0, or
 * -errno with a sentence in `why` (256); gate_close() frees what is there. */
int gate_load(struct gate *gate, char *why);
/* Of the loaded object. */
int gate_program_fd(struct gate *gate, const char *name);
/* A sentence in `why` (256) for what the kernel answered. */
void gate_say_why(int error, char *why);

/* gate_handover.c */
/* Whether the next penstockd takes this map over. */
bool gate_keeps_map(enum gate_map map);
/* A descriptor of gate_options.kept, which is the caller's from now on; -1: it is not there. */
int gate_take_map(struct gate_options *options, enum gate_map map);
int gate_take_link(struct gate_options *options, enum gate_link link);
/* Closes those that were not taken. */
void gate_close_kept(struct gate_options *options);

/* gate_maps.c */
int gate_event_read(void *context, void *data, size_t size);

/* gate_tickets.c */
/* Once a tick: decides which tickets count (each time), and how long they live (every
 * two seconds). */
void gate_judge_tickets(struct gate *gate, uint64_t now_us);
/* Once a tick: looks at a limited number of tickets, from where the last tick ended. */
void gate_expire_tickets(struct gate *gate, uint64_t now_us);
/* Runs gate_expire or gate_forget. 1: done; 0: there was nothing to do; -1: this kernel cannot run
 * it. */
int gate_by_hand(int program_fd, const uint64_t *words, uint32_t count);
/* Gives back the place of a ticket or session whose entry was deleted. */
void gate_release(struct gate *gate, const struct smtp_tuple *tuple, uint32_t flags);

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
