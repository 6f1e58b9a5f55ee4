#include "penstock-sim/clairvoyant.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "penstock-sim/grow.h"

/* Messages by the tick of their arrival. Those of [room_from, now] wait in front, those of
 * [server_from, room_from] at the server. */
struct future {
	const struct clairvoyant_tick *tick;
	uint32_t ticks, now;
	/* messages that have waited so long in front are let in to wait at the server */
	bool moves;
	uint32_t *front, *server; /* by tick of arrival */
	uint32_t front_from, server_from;
	double *leaving; /* number of sessions that end in a tick */
	double *wait_max; /* s, by tick of arrival */
	double lasting_s; /* how long more has come than could be done, without a break */
	double sessions, queued; /* at the server; of those, sessions that are not worked on yet */
	double processes, credit;
	uint32_t *refused;
	uint64_t refused_sum;
};

static double size_of(const struct clairvoyant_tick *t)
{
	return t->arrived ? t->size / t->arrived : 1;
}

/* The longest wait that leaves time for the session. If a session alone takes longer than the
 * objective, its greeting is judged instead. In an overload that lasts, a wait does not help: it
 * only makes all clients wait. */
static double wait_max(const struct future *f)
{
	return f->lasting_s >= CLAIRVOYANT_LASTS_S
		       ? CLAIRVOYANT_LASTING_S
		       : fmax(CLAIRVOYANT_ACCEPTED_S - f->tick[f->now].session_s,
			      CLAIRVOYANT_GREETED_S);
}

/* Judges the load by seconds, since single ticks are random. */
static void judge_load(struct future *f)
{
	const uint32_t ticks = (uint32_t)(1 / CLAIRVOYANT_TICK_S + 0.5);
	double came = 0, could = 0;

	if (f->now % ticks != 0 || f->now == 0)
		return;
	for (uint32_t i = f->now - ticks; i < f->now; i++) {
		came += f->tick[i].size;
		could += f->tick[i].jobs;
	}
	f->lasting_s = came > CLAIRVOYANT_OVERLOAD * could ? f->lasting_s + 1 : 0;
}

static double waited(const struct future *f, uint32_t since)
{
	return (f->now - since) * CLAIRVOYANT_TICK_S;
}

static bool has_place(const struct future *f)
{
	return f->sessions + 1 <= f->tick[f->now].places;
}

/* The cost of admitting one more message, in addition to its work. */
static double process_cost(const struct future *f)
{
	return f->tick[f->now].fork_jobs * fmin(1, fmax(0, f->sessions + 1 - f->processes));
}

static void take_in(struct future *f)
{
	f->credit -= process_cost(f);
	f->sessions++;
	f->processes = fmax(f->processes, f->sessions);
}

static void begin(struct future *f, uint32_t came)
{
	double until = f->now + fmax(1, ceil(f->tick[f->now].session_s / CLAIRVOYANT_TICK_S));

	f->credit -= size_of(&f->tick[came]);
	if (until < f->ticks)
		f->leaving[(uint32_t)until]++;
}

static void refuse(struct future *f, uint32_t came, uint32_t count)
{
	f->refused[came] += count;
	f->refused_sum += count;
}

static void pass_time(struct future *f)
{
	const struct clairvoyant_tick *t = &f->tick[f->now];

	f->sessions -= f->leaving[f->now];
	if (t->idle_s > 0 && f->processes > f->sessions)
		f->processes = f->sessions +
			       (f->processes - f->sessions) * exp(-CLAIRVOYANT_TICK_S / t->idle_s);
	f->credit = fmin(f->credit, 1) + t->jobs;
	f->front[f->now] = t->arrived;
	judge_load(f);
	f->wait_max[f->now] = wait_max(f);
}

static bool is_too_late(const struct future *f, uint32_t came)
{
	return waited(f, came) >= f->wait_max[came];
}

/* Serves those at the server first, since they came first. */
static void serve(struct future *f)
{
	while (f->credit >= 1 && f->queued > 0) {
		while (!f->server[f->server_from])
			f->server_from++;
		f->server[f->server_from]--;
		f->queued--;
		begin(f, f->server_from);
	}
	while (f->credit >= 1 && has_place(f)) {
		while (f->front_from < f->now &&
		       (!f->front[f->front_from] || is_too_late(f, f->front_from))) {
			refuse(f, f->front_from, f->front[f->front_from]);
			f->front[f->front_from++] = 0;
		}
		if (!f->front[f->front_from])
			return;
		f->front[f->front_from]--;
		take_in(f);
		begin(f, f->front_from);
	}
}

/* Whether a message that has waited in front for as long as it may gets through in time if it is
 * let in now. */
static bool is_in_time(const struct future *f, uint32_t came)
{
	const struct clairvoyant_tick *t = &f->tick[f->now];
	double ahead_s = t->jobs > 0 ? f->queued / t->jobs * CLAIRVOYANT_TICK_S : 0;

	return waited(f, came) + ahead_s < f->wait_max[came];
}

static void expire(struct future *f)
{
	for (; waited(f, f->front_from) >= CLAIRVOYANT_GREETED_S || is_too_late(f, f->front_from);
	     f->front_from++) {
		uint32_t came = f->front_from;

		while (f->front[came] && f->moves && has_place(f) && is_in_time(f, came)) {
			f->front[came]--;
			f->server[came]++;
			f->queued++;
			take_in(f);
		}
		refuse(f, came, f->front[came]);
		f->front[came] = 0;
	}
	for (; is_too_late(f, f->server_from); f->server_from++) {
		uint32_t late = f->server[f->server_from];

		refuse(f, f->server_from, late);
		f->queued -= late;
		f->sessions -= late;
		f->server[f->server_from] = 0;
	}
}

static uint64_t play(const struct clairvoyant_tick *tick, uint32_t ticks, bool moves,
		     uint32_t *ret_refused)
{
	struct future f = { .tick = tick, .ticks = ticks, .moves = moves, .refused = ret_refused };

	memset(ret_refused, 0, ticks * sizeof(*ret_refused));
	f.front = grow_zeroed(ticks, sizeof(*f.front));
	f.server = grow_zeroed(ticks, sizeof(*f.server));
	f.leaving = grow_zeroed(ticks, sizeof(*f.leaving));
	f.wait_max = grow_zeroed(ticks, sizeof(*f.wait_max));
	for (f.now = 0; f.now < ticks; f.now++) {
		pass_time(&f);
		serve(&f);
		expire(&f);
	}
	/* The run is over, and these have not been served. */
	for (uint32_t i = 0; i < ticks; i++)
		refuse(&f, i, f.front[i] + f.server[i]);
	free(f.front);
	free(f.server);
	free(f.leaving);
	free(f.wait_max);
	return f.refused_sum;
}

uint64_t clairvoyant_refused(const struct clairvoyant_tick *tick, uint32_t ticks,
			     uint32_t *ret_refused)
{
	uint32_t *other = grow_zeroed(ticks, sizeof(*other));
	uint64_t moving = play(tick, ticks, true, ret_refused);
	uint64_t staying = play(tick, ticks, false, other);

	if (staying < moving)
		memcpy(ret_refused, other, ticks * sizeof(*other));
	free(other);
	return staying < moving ? staying : moving;
}
