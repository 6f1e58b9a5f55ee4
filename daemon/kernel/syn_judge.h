/* How many of the gate's tickets still count. A ticket is a SYN that was admitted, and a SYN is a
 * client only if its handshake is completed. Pure.
 *
 * A ticket that is open for longer than nearly all handshakes take (`patience_us`) has failed. From
 * then on such tickets count for no more than a small share of the window. While nearly all tickets
 * become sessions, all the younger ones count, so that a burst keeps to the window. While more than
 * one in 20 fail, all tickets together count for at most the share and twice what honest handshakes
 * make (Little's law: time in handshakes a second). Failures take effect within half a second, and
 * are forgotten over ten. */
#ifndef PENSTOCK_KERNEL_SYN_JUDGE_H
#define PENSTOCK_KERNEL_SYN_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "gate_shared.h"

struct syn_judge {
	uint64_t stepped_us, handshake_us;
	uint32_t judged_turn; /* slots up to this one are in the sums */
	double used_fast, failed_fast, used_slow, failed_slow; /* tickets, decaying */
	double in_handshake; /* honest handshakes in progress, on average */
	bool flood;
};

struct syn_reading {
	uint64_t now_us;
	const struct gate_syns *syns; /* [GATE_SYNS] */
	uint64_t handshake_us; /* sum over tickets that became sessions; only grows */
	uint64_t patience_us;
	uint32_t pending; /* tickets that are open */
	uint32_t share; /* of the window, in sessions; PLAN_UNLIMITED: there is no window */
};

struct syn_judgement {
	uint32_t likely; /* how many of the open tickets count */
	/* the most tickets that count at any time until the next step; PLAN_UNLIMITED: all new ones
	 * do */
	uint32_t most;
	/* so many may be open without a flood: those of honest handshakes, and the share */
	uint32_t usual;
};

/* Once a tick. Begin with a judge of zeros. */
struct syn_judgement syn_judge_step(struct syn_judge *judge, const struct syn_reading *reading);

#endif
