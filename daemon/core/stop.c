/* A server that stops for some seconds and goes on: its disk does not answer, a snapshot of the
 * machine is taken, garbage is collected.
 *
 * It has stopped when sessions wait and it completes nothing for longer than a session takes, and
 * for half as long again as sessions took when it last completed one. The second bound tells a stop
 * from a slow server: a commit that carries a hundred sessions completes nothing for seconds, too,
 * but then each session takes that long.
 *
 * In a short stop the server loses no capacity: what it completed before is what it will complete
 * when it goes on. Clients wait in front of it meanwhile, and are not refused. A stop is short up
 * to twice the longest after which this server went on. A longer one is a hang, and clients are
 * told. In neither is anything learned of the CPU of a job.
 *
 * A server has gone on once it has served for as long as it had stopped. Until then a further stop
 * is a part of the one before: sessions that were inside are completed at once, which says nothing
 * about those that come after them.
 *
 * Example: it stops for 3 s at 50 of 97 a second. 49 are in flight, 130 wait in front, and the last
 * of them gets its place 1.5 s after the server went on. */
#include "core/window_parts.h"

static enum stopped serves(struct stop *s, const struct rates *r, const struct capacity *capacity,
			   const struct job *job)
{
	if (!s->shows)
		s->stopped_s = fmax(0, s->stopped_s - s->nothing_s);
	if (s->stopped_s <= 0) {
		s->longest_s = fmin(fmax(s->longest_s, s->most_s), STOP_LONG_S);
		s->most_s = 0;
	}
	s->nothing_s = s->waits_s = 0;
	s->shows = false;
	/* Those that have ended lag behind when the load rises. */
	s->time_s = fmax(rates_ended_s(r), r->busy / fmax(r->completed, 1));
	s->capacity = *capacity;
	s->job = *job;
	return STOPPED_NOT;
}

enum stopped stop_step(struct stop *s, const struct observation *o, const struct rates *r,
		       const struct capacity *capacity, const struct job *job)
{
	double shows_s = fmax(fmax(capacity->lag_s, TAU_RATE_S), BASE_SLACK * s->time_s);
	bool lasts;

	if (!window_has(o->config, WINDOW_PART_STOP))
		return STOPPED_NOT;
	s->nothing_s += o->dt;
	if (o->completed > 0)
		return serves(s, r, capacity, job);
	if (r->busy < BUSY_MIN) { /* no client waits, so nothing shows whether it serves */
		s->waits_s = 0;
		s->shows = false;
		return STOPPED_NOT;
	}
	s->waits_s += o->dt;
	if (s->waits_s <= shows_s || s->capacity.per_s <= 0)
		return STOPPED_NOT;
	s->stopped_s += s->shows ? o->dt : s->waits_s;
	s->shows = true;
	s->most_s = fmax(s->most_s, s->stopped_s);
	lasts = s->stopped_s > fmax(STOP_SHORT_S, 2 * s->longest_s);
	return lasts ? STOPPED_LONG : STOPPED_SHORTLY;
}
