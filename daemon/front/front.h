/* A front is an adapter through which something outside asks for verdicts. It sees ask() and its own counts, never the
 * daemon. Its codec is a pure function on bytes (1: one message, 0: need more, negative: an error) in a file of its own. */
#ifndef PENSTOCK_FRONT_FRONT_H
#define PENSTOCK_FRONT_FRONT_H

#include <netinet/in.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"
#include "core/plan.h"

struct event_base;

/* Who asks. */
struct front_client {
	struct in6_addr address; /* IPv4 mapped */
	uint16_t port; /* 0: not known */
	unsigned service;
};

struct front_env {
	struct event_base *base;
	const struct config *config;
	struct counts *counts; /* the front's own block, zeroed by the caller */
	/* The verdict for a client now. Counts it. `reply` (REPLY_MAX) gets the text without hostname and CRLF when it is
	 * deferred. */
	struct verdict (*ask)(void *context, struct front_env *env,
			      const struct front_client *client, char *reply);
	void *context;
};

struct front_ops {
	const char *name;
	/* 0, or -errno with a sentence in `why` (at least 160 bytes). */
	int (*open)(struct front_env *env, const struct config_front *config, void **ret_front,
		    char *why);
	/* Answer everything with "no opinion" from now on (SIGTERM, reload). */
	void (*drain)(void *front);
	void (*close)(void *front);
};

extern const struct front_ops front_policy;

#endif
