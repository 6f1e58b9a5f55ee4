/* What is going on, in one sentence, as every outlet says it first: status, explain, the page, the
 * history. It tells what clients are told now; the level only says for how long that has been so.
 *
 * Example: "41 % of the new connections are deferred: the CPU is over its objective." */
#ifndef PENSTOCK_PUBLISH_HEADLINE_H
#define PENSTOCK_PUBLISH_HEADLINE_H

#include "publish/status.h"

/* In order: the first that is so is the headline. X(id, name) */
#define HEADLINE_TABLE(X) \
	X(DRAINING, "draining") /* an operator defers all */ \
	X(MAINTENANCE, "maintenance") /* a maintenance window does */ \
	X(BLIND, "blind") /* no sensor works: mail flows */ \
	X(OBSERVING, "observing") /* observe mode: mail flows, what would be is counted */ \
	X(DEFERRING, "deferring") /* part of the new connections is deferred */ \
	X(NEIGHBOUR, "neighbour") /* somebody else presses: mail flows */ \
	X(PRESSED, "pressed") /* near the objective: mail flows */ \
	X(NORMAL, "normal")

enum headline_kind {
#define X(id, name) HEADLINE_##id,
	HEADLINE_TABLE(X)
#undef X
		HEADLINE__COUNT
};

struct headline {
	enum headline_kind kind;
	char sentence[320]; /* whole sentences, with a full stop */
	/* What presses most: "cpu", "demand"; empty: nothing is known. And its signal. */
	char driver[16], signal[32];
	double pressure; /* the driver's, by which it is over its target; -1: not known */
	double value; /* of its signal, in the signal's unit; -1: not known */
	enum reason
		reason; /* that most of the deferred are told for; REASON_NONE: none is deferred */
	double deferred_ratio; /* of what is offered now, as clients are told, 0..1 */
	uint64_t since_us; /* CLOCK_REALTIME: of the kind; 0: not known */
	char advice[320]; /* what to do; empty: nothing is needed */
};

/* What the engine's view says: the one place where that is decided. */
enum headline_kind headline_kind(const struct engine_view *view);
const char *headline_name(enum headline_kind kind);
void headline_tell(const struct status *status, struct headline *ret);

#endif
