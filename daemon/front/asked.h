/* What fronts have in common that a mail server asks over streams, for one service: opening,
 * verdicts, counts, a complaint a minute. The front adds its codec.
 *
 * Its struct begins with a struct asked, so that the functions below that take `void *front` stand
 * in its front_ops as they are:
 *
 *	struct line { struct asked asked; };
 *	const struct front_ops front_line = { .poll = asked_poll, .drain = asked_drain, ... };
 */
#ifndef PENSTOCK_FRONT_ASKED_H
#define PENSTOCK_FRONT_ASKED_H

#include "front/streams.h"
#include "refuse/faultlog.h"

struct asked {
	const struct front_env *env;
	struct counts *counts;
	struct streams *streams;
	unsigned service; /* index in the configuration */
	bool draining; /* everybody is admitted */
	uint64_t complained_us; /* CLOCK_MONOTONIC, 0: never */
	struct faultlog faultlog;
};

/* What of `options` is in `config` is filled in; the codec's part (section, input_max, state_size,
 * bytes, context) is the caller's. 0, or -errno with a sentence in `why` (256). */
int asked_open(struct asked *asked, const struct front_env *env, const struct config_front *config,
	       struct streams_options *options, struct counts *counts, char *why);
/* Ends all connections. The struct stays the caller's. */
void asked_close(struct asked *asked);
/* The verdict for a client whose connection the server has already. `reply` (REPLY_MAX + 1) gets
 * "451 4.3.2 SENTENCE", as desk_ops.decide gives it, when the client is deferred. True: admitted,
 * as everybody is while it drains. */
bool asked_admits(struct asked *asked, const struct in6_addr *address, bool address_known,
		  uint16_t port, char *reply);
/* Counts what was no message of the protocol. True: it is to be logged, which is once a minute. */
bool asked_complains(struct asked *asked);
/* Whether a front that was opened with `before` can go on with `now` (front_ops.reconfigure). */
bool asked_goes_on(const struct asked *asked, const struct config_front *before,
		   const struct config_front *now);

/* front_ops.poll, .state and .drain */
void asked_poll(void *front, uint64_t now_us, struct load *load);
void asked_state(const void *front, struct front_state *ret);
void asked_drain(void *front);

#endif
