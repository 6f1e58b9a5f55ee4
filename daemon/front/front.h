/* A front stands before the mail server and asks for verdicts. The fronts of this process are one
 * `struct front_ops` each, listed in fronts.c (how to add one: daemon/README.md, "Questions"). A
 * front sees its environment (`struct front_env`) and nothing else of the daemon. If it has a
 * codec, that is a pure function on bytes (1: one message, 0: need more, negative: an error) in a
 * file of its own.
 *
 *              wanted() ?                          drain()
 *   closed ---- open() ----> open ---- push() ... --------> draining
 *     ^  \__ fails: again      |  \___ once a tick ___/         |
 *     |      in 5 s            |                                |
 *     +------- close() <-------+------- close() <---------------+
 *        reconfigure() or push() said false, or it is no longer wanted */
#ifndef PENSTOCK_FRONT_FRONT_H
#define PENSTOCK_FRONT_FRONT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"
#include "core/load.h"
#include "core/plan.h"
#include "core/source.h"

struct asked_helper; /* front/asked_helper.h */
struct asked_row; /* front/asked.h */
struct event_base;
struct kernel; /* kernel/kernel.h */

/* The client that a verdict is about. */
struct front_client {
	struct in6_addr address; /* IPv4 mapped */
	bool address_known; /* false: decided without a rank, and blamed on no source */
	uint16_t port; /* 0: not known */
	unsigned service;
	/* the mail server does not have the connection yet, and the kernel does not count it */
	bool ahead;
};

/* What a front may ask of the daemon. */
struct desk_ops {
	/* The verdict for a client now. It is counted in `counts` and reported to the table of
	 * sources. If the client is deferred, `reply` (REPLY_MAX + 1) gets the text without
	 * hostname and CRLF. */
	struct verdict (*decide)(void *context, const struct front_client *client,
				 struct counts *counts, char *reply);
	/* What is known of a source. False: sources are not ranked. */
	bool (*rank)(void *context, const struct in6_addr *address, uint64_t now_us,
		     struct plan_source *ret);
	/* Sessions x 1000 that the token bucket of this service has now; PLAN_UNLIMITED: there is
	 * no bucket. */
	uint32_t (*tokens)(void *context, unsigned service, uint64_t now_us);
	/* Reports what happened to clients that a front decided on by itself. */
	void (*seen)(void *context, const struct source_event *events, unsigned count,
		     uint64_t now_us);
};

/* Stays the daemon's. `config` and `kernel` change between two calls of a front's functions, never
 * during one. */
struct front_env {
	struct event_base *base;
	const struct config *config;
	struct kernel *kernel; /* NULL: no BPF */
	const struct desk_ops *desk;
	void *context; /* of desk_ops */
	/* the process for those that are asked over sockets; fronts_open() sets it */
	struct asked_helper *asked;
};

struct front_state {
	bool up; /* it decides now */
	char why[160]; /* when not up */
	/* inode of the network namespace of its sessions, 0: none is configured */
	uint32_t netns;
	bool netns_known; /* the front looks for it */
};

enum front_close {
	FRONT_STOP, /* nothing of it is kept */
	/* this process ends: the service manager keeps what the next one needs */
	FRONT_RESTART,
};

struct front_ops {
	const char *name; /* in metrics and status */
	const char *title; /* in the log: "the gate" */
	/* What distinguishes it from the other fronts with the same functions; NULL: there are
	 * none. */
	const struct asked_row *row;
	/* Whether the configuration asks for it. */
	bool (*wanted)(const struct front_ops *ops, const struct config *config);
	/* `counts` is the front's own block; it outlives the front. 0, or -errno with a sentence in
	 * `why` (256). */
	int (*open)(const struct front_ops *ops, const struct front_env *env, struct counts *counts,
		    void **ret_front, char *why);
	/* The configuration changed (env->config); `before` is the old one. False: close the front
	 * and open it again. */
	bool (*reconfigure)(void *front, const struct config *before);
	/* Once a tick, before the engine: adds its counts to `load`. */
	void (*poll)(void *front, uint64_t now_us, struct load *load);
	/* Once a tick, with the plan. False: close it and open it again. NULL: it asks the desk,
	 * and needs no plan. */
	bool (*push)(void *front, const struct plan *plan, const struct load *load,
		     uint64_t now_us);
	void (*state)(const void *front, struct front_state *ret);
	/* Another front, of this process or of another one, has refused a client. NULL: this front
	 * does not need to know. */
	void (*refused)(void *front, const struct front_client *client);
	/* Answer everything with "no opinion" from now on: this process ends. NULL: nothing to
	 * do. */
	void (*drain)(void *front);
	void (*close)(void *front, enum front_close how);
	/* Called at the start if the front is not wanted: removes what an earlier penstockd left.
	 * NULL: nothing can be left. */
	void (*forget)(void);
};

extern const struct front_ops front_gate;
#define X(kind, name) extern const struct front_ops front_##name;
ASKED_FRONT_TABLE(X)
#undef X

#endif
