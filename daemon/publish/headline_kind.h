/* What the present situation is: its kind, what drives it, and what clients are told. The words are
 * in headline.h and headline_advice.h. */
#ifndef PENSTOCK_PUBLISH_HEADLINE_KIND_H
#define PENSTOCK_PUBLISH_HEADLINE_KIND_H

#include "publish/status.h"

#define HEADLINE_SAID_RATIO 0.001 /* a smaller share would be shown as "0.0 %" */
#define HEADLINE_DEMAND "demand" /* the driver if more is offered than can be carried */

/* In this order: the first that applies is the headline. X(id, name) */
#define HEADLINE_TABLE(X) \
	X(DRAINING, "draining") /* an operator defers all */ \
	X(MAINTENANCE, "maintenance") /* a maintenance window does */ \
	X(BLIND, "blind") /* no sensor works: mail flows */ \
	X(OBSERVING, "observing") /* observe mode: mail flows, would-be deferrals are counted */ \
	X(DEFERRING, "deferring") /* part of the new connections is deferred */ \
	X(NEIGHBOUR, "neighbour") /* the load is not mail's: mail flows */ \
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
	char sentence[480]; /* whole sentences, with a full stop */
	/* What has the highest pressure, "cpu" or "demand", and its signal; empty: nothing is
	 * known. */
	char driver[16], signal[32];
	double pressure; /* of the driver, 1: its target is just met; -1: not known */
	double value; /* of its signal, in the signal's unit; -1: not known */
	enum reason reason; /* of most deferrals; REASON_NONE: no client is deferred */
	/* of what is offered now, as clients are told, 0..1; a mean over two seconds, unless a
	 * front refuses by itself: then of the last ten */
	double deferred_ratio;
	uint64_t since_us; /* CLOCK_REALTIME: of the kind; 0: not known */
	char advice[400]; /* what to do; empty: nothing is needed */
};

/* Whether clients are deferred now; a share that would be shown as "0.0 %" is none. */
bool headline_defers(const struct engine_view *view);
/* Finds the headline for the engine's view. It is decided only here. */
enum headline_kind headline_kind(const struct engine_view *view);
const char *headline_name(enum headline_kind kind);
/* Whether penstock-proxy is configured and does not run, hangs or is of another version, whatever
 * the engine admits. `ret_proxy`: the front, with the reason. */
bool headline_proxy_is_down(const struct status *status, struct status_front *ret_proxy);
/* Why fronts refuse by themselves, if that is most of what was refused in the last seconds: the
 * server cannot be reached, or the front is full. Otherwise REASON_NONE. */
enum reason headline_front_reason(const struct status *status);
/* Fills all of it but sentence and advice. */
void headline_judge(const struct status *status, struct headline *ret);

#endif
