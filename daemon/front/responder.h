/* The responder answers the clients that the gate in the kernel defers (and those that a load
 * balancer sends to it). It is one thread with its own event loop, so that the tick and tens of
 * thousands of refused clients do not wait for each other. It has a fixed pool of clients and
 * allocates nothing for one. It uses epoll directly, because a refusal is some ten system calls,
 * and the cost of a library would be visible.
 *
 * Everything has a limit: clients in dialogue (linger_max, an eighth of it while memory drives the
 * pressure, and never more than there are descriptors), their time (linger_us), what each may say
 * (core/dialogue.h), what the kernel buffers for each, the CPU of all of them (core/cpu_limiter.h).
 * Past a limit a client gets 421 and is closed. Past the last limit responder_fit() says no, and
 * the gate lets connections pass.
 *
 * It reads what refused clients say in penstockd, which has capabilities. Of their bytes it keeps
 * none: core/dialogue.h, pure and under a fuzzer, looks for QUIT and the like in a buffer of fixed
 * size. A process without privilege could not do this alone, because the reason of each refusal is
 * looked up in a map of the gate, and that takes CAP_BPF before Linux 5.19. It would have to ask
 * penstockd for most clients: packaging/doc/measured.md says what that costs. */
#ifndef PENSTOCK_FRONT_RESPONDER_H
#define PENSTOCK_FRONT_RESPONDER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "config/config.h"
#include "core/cpu_limiter.h"
#include "core/plan.h"

struct responder;

/* How clients are answered; may change while it runs. */
struct responder_manner {
	struct reply_style style;
	unsigned service; /* whose plan is followed */
	uint16_t reply_code; /* without a plan: 451 or 421 */
	/* The reason may differ between clients whatever the plan says, because the operator
	 * refuses networks or rates. */
	bool sources;
	bool mute; /* implicit TLS: nothing can be said, the connection is closed */
	uint32_t linger_max;
	uint64_t linger_us;
	double cpu_ratio; /* of one CPU */
};

struct responder_options {
	struct responder_manner manner;
	struct endpoints listen; /* one more address; empty: none */
	const char *listen_option; /* of `listen`, for messages */
	bool no_gate; /* only `listen`: there is no gate that hands connections over */
	/* namespace of the gate's two listeners; -1: that of this process. Stays the caller's */
	int netns_fd;
	uint32_t mark; /* SO_MARK of the gate's listeners and so of what they accept; 0: none */
	/* Why a client was deferred; REASON_NONE: not known, and the plan gives the reason. Called
	 * by the responder's thread. NULL: never called. */
	enum reason (*reason)(void *context, const struct in6_addr *client, uint16_t client_port,
			      uint16_t port);
	void *context;
};

/* Starts the thread. 0, or -errno with a sentence in `why` (256). */
int responder_open(const struct responder_options *options, struct responder **ret_responder,
		   char *why);
/* Ends the thread and every dialogue. First stop sending connections to its listeners. Clients that
 * wait in their queues get 421, and none is reset. That takes 0.2 s if clients came within the last
 * second. NULL is fine. */
void responder_close(struct responder *responder);
/* The gate's listening sockets, on loopback and a port of the kernel's choice; -1: that family is
 * not available. They stay the responder's. */
int responder_listener_v4(const struct responder *responder);
int responder_listener_v6(const struct responder *responder);
/* Takes effect for clients that come from now on. */
void responder_set_manner(struct responder *responder, const struct responder_manner *manner);
/* Once a tick. `down`: nothing listens on the port, and clients are told so. */
void responder_push(struct responder *responder, const struct plan *plan, bool down);

struct responder_view {
	uint64_t accepted; /* connections taken */
	uint64_t told; /* of them, those to which the greeting went out */
	/* of them, those that got 421 instead of 451 because a limit was reached */
	uint64_t shortened;
	uint64_t finished; /* dialogues that the client ended by QUIT or by closing */
	uint64_t expired; /* dialogues that reached their time limit */
	uint64_t errors; /* accept() failed: descriptors, memory */
	uint64_t cpu_us; /* of the thread */
	uint64_t beat_us; /* CLOCK_MONOTONIC of the last turn of the loop */
	uint32_t lingering, draining; /* now: in dialogue; after the last reply */
	uint32_t linger_max; /* bound in force */
	double cpu_used_ratio; /* in the last 100 ms */
	/* no descriptor or memory was left for a client: then `form` is REPLY_BYPASS */
	bool blocked;
	enum reply_form form;
};
void responder_view(const struct responder *responder, struct responder_view *ret_view);
/* Whether its thread hangs: with a sentence in `why` (160). */
bool responder_hangs(const struct responder *responder, uint64_t now_us, char *why);
/* Whether clients may be sent here now: its thread runs and keeps up. False with a sentence in
 * `why` (160). */
bool responder_fit(const struct responder *responder, uint64_t now_us, char *why);

#endif
