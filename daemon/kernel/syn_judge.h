/* How many of the gate's tickets still count: a ticket is a SYN that was admitted, and a SYN is a
 * client only if its handshake ends. Pure.
 *
 * A ticket that is open for longer than nearly all handshakes take (`patience_us`) has failed: it
 * counts for no more than a small share of the window from then on. While nearly all tickets become
 * sessions the younger ones all count, so that a burst keeps to the window. While more than one in
 * 20 fail, all tickets together count for at most twice what honest handshakes make (Little: time
 * in handshakes a second) and the share. Failures are believed within half a second, and forgotten
 * over ten. */
#ifndef PENSTOCK_KERNEL_SYN_JUDGE_H
#define PENSTOCK_KERNEL_SYN_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "gate_shared.h"

struct syn_judge {
	uint64_t stepped_us, handshake_us;
	uint32_t judged_turn; /* slots up to this one are in the sums */
	double used_fast, failed_fast, used_slow, failed_slow; /* tickets, decaying */
	double in_handshake; /* honest ones, on average */
	bool flood;
};

struct syn_reading {
	uint64_t now_us;
	const struct gate_syns *syns; /* [GATE_SYNS] */
	uint64_t handshake_us; /* sum over tickets that became sessions, only growing */
	uint64_t patience_us;
	uint32_t pending; /* tickets that are open */
	uint32_t share; /* of the window, in sessions; PLAN_UNLIMITED: there is no window */
};

struct syn_judgement {
	uint32_t likely; /* of the open tickets, those that count */
	/* that count at any time until the next step; PLAN_UNLIMITED: all that are made from now
	 * on */
	uint32_t most;
	/* as many may be open without a flood: what honest handshakes make, and the share */
	uint32_t usual;
};

/* Once a tick. A judge begins as zeros. */
struct syn_judgement syn_judge_step(struct syn_judge *judge, const struct syn_reading *reading);

#endif
