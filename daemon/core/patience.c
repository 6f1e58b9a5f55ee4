/* How long clients may wait in front of the server. */
#include "core/window_parts.h"

/* Whether the queue in the waiting room stands, and does not drain: for ten seconds without a break
 * the oldest connection in it has waited for half the objective, and others are refused because the
 * room is full. A short crest drains and refuses none. Once a queue stands, it counts as standing
 * until no client is refused any more. Waits are short meanwhile; at a load that stays above
 * capacity that refuses no more clients than long waits would. */
static bool room_stands(struct patience *p, const struct observation *o, double objective_s)
{
	const struct load_service *l = o->in->load;
	bool long_wait = l->known & LOAD_HELD && l->held_longest_s >= ROOM_LONG_PART * objective_s;

	if (p->room_s >= ROOM_STANDS_S)
		p->room_s = o->refusing ? 2 * ROOM_STANDS_S : p->room_s - o->dt;
	else if (long_wait)
		p->room_s += o->refusing ? o->dt : 0;
	else
		p->room_s = 0;
	return p->room_s >= ROOM_STANDS_S;
}

/* How long a connection may wait in front of the server: up to the objective while the queue there
 * comes and goes. It may hardly wait once the load has been above the capacity for long and has
 * filled most of the room, or is so far above it that the room will fill in any case. A refused
 * sender comes back in five minutes; a sender that waits for a second does not notice it. So a
 * queue that comes and goes is allowed in front of the server, where it costs no process. A queue
 * that stands is not. (CoDel makes the same distinction.)
 *
 * Example: twice the capacity leaves a queue of 4 s after 4 s, and waits are short from then on. A
 * quarter above the capacity takes 15 s for that. If it ends earlier, all clients were served. */
double patience_step(struct patience *p, const struct observation *o,
		     const struct capacity *capacity)
{
	double objective_s = o->config->wait_objective_us / US_IN_S, excess, seen;
	double could = o->before->passing_per_s; /* by the figures of the tick before */
	bool full, over;

	smooth_step(&p->offered, o->offered, o->dt, TAU_QUICK_S);
	excess = p->offered / (could > 0 ? could : capacity->per_s) - 1;
	/* If the window has been full for as long as a session takes, the completions are what the
	 * server can do now, even if the law expects more. In a short stop it can do what it did
	 * before. */
	full = o->before->window >= 0 && o->in->load->in_flight >= FULL * o->before->window;
	p->full_s = full ? p->full_s + o->dt : 0;
	seen = p->full_s > capacity->lag_s && capacity->completed_lag > 0 &&
			       o->stopped != STOPPED_SHORTLY
		       ? fmax(excess, p->offered / capacity->completed_lag - 1)
		       : excess;
	over = seen > LASTS_OVER - 1;
	p->lasts_s = clamp_double(p->lasts_s + (over ? 1 : -LASTS_FORGETS) * o->dt, 0, LASTS_S + 1);
	p->excess_s = clamp_double(p->excess_s + (over ? seen : -LASTS_FORGETS) * o->dt, 0,
				   EXCESS_MAX * objective_s + 1);
	over = (o->stopped == STOPPED_LONG && full) || room_stands(p, o, objective_s) ||
	       p->excess_s >= EXCESS_MAX * objective_s ||
	       (p->lasts_s >= LASTS_S && p->excess_s >= LASTS_EXCESS * objective_s) ||
	       (excess >= STEEP && p->excess_s >= STEEP_EXCESS * objective_s);
	return over ? SHORT_WAIT_S : objective_s;
}
