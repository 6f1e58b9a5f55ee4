/* W_hard: what memory, spool space and slots carry. Beyond these there is no slowing down, there is a cliff. */
#include <math.h>

#include "core/smooth.h"
#include "core/window_parts.h"

#define MEMORY_GUESS (10.0 * 1024 * 1024) /* a session with a scanner, before any was seen */
#define MEMORY_MARGIN 1.1
#define MISSED_MOST_S 1.0 /* longer, and the sensor is gone: nothing is known of memory then */
#define FEW_SESSIONS 8
#define MEMORY_LEAST (1.0 * 1024 * 1024)
#define MEMORY_MOST (64.0 * 1024 * 1024)
#define DISK_PER_SESSION (1.0 * 1024 * 1024)

void window_memory_init(struct window *w)
{
	w->memory.per_session = MEMORY_GUESS;
}

/* Bytes a session, by regression, with the last good figure kept while in flight hardly varies. */
void window_learn_memory(struct window *w, const struct tick *t)
{
	double n = t->in->load->in_flight,
	       bytes = sample_get(t->in->sample, SIGNAL_MTA_MEM_BYTES, -1), dn, db;

	if (w->config.session_memory_bytes > 0) {
		w->memory.per_session = w->config.session_memory_bytes;
		return;
	}
	if (bytes < 0)
		return;
	if (!w->memory.primed) {
		w->memory.flight_mean = n;
		w->memory.memory_mean = bytes;
		w->memory.primed = true;
	}
	dn = n - w->memory.flight_mean;
	db = bytes - w->memory.memory_mean;
	smooth_step(&w->memory.flight_mean, n, t->dt, 20);
	smooth_step(&w->memory.memory_mean, bytes, t->dt, 20);
	smooth_step(&w->memory.variance, dn * dn, t->dt, 20);
	smooth_step(&w->memory.covariance, dn * db, t->dt, 20);
	if (w->memory.variance > 4 && w->memory.covariance > 0) {
		double bytes_each = clamp_double(w->memory.covariance / w->memory.variance,
						 MEMORY_LEAST, MEMORY_MOST);

		/* A session takes its memory late (at the end of DATA): the figure falls slowly. */
		smooth_step(&w->memory.per_session, bytes_each, t->dt,
			    bytes_each > w->memory.per_session ? 5 : 60);
	}
}

/* W_hard: the cliffs. -1 when none is known. Also says which one is nearest. */
double window_hard_limit(struct window *w, const struct tick *t, enum reason *ret_reason)
{
	const struct sample *s = t->in->sample;
	double n = t->in->load->in_flight, hard = -1, room;

	if (sample_has(s, SIGNAL_MEM_AVAILABLE_BYTES)) {
		double available =
			s->value[SIGNAL_MEM_AVAILABLE_BYTES] - w->config.memory_reserve_bytes;

		if (w->memory.available > 0)
			smooth_step(&w->memory.available_rate,
				    (s->value[SIGNAL_MEM_AVAILABLE_BYTES] - w->memory.available) /
					    (t->dt + w->memory.missed_s),
				    t->dt, 2);
		w->memory.available = s->value[SIGNAL_MEM_AVAILABLE_BYTES];
		/* One is always let through: else nobody would see that it is better now. */
		hard = fmax(1, n + available / (MEMORY_MARGIN * w->memory.per_session));
		/* Sessions that were just admitted have not taken yet what they will: what was free with few of them counts. */
		if (w->memory.available > w->memory.available_idle)
			w->memory.available_idle = w->memory.available;
		else
			/* What these sessions hold would be free without them. */
			smooth_step(&w->memory.available_idle,
				    w->memory.available +
					    (n <= FEW_SESSIONS ? 0 : n * w->memory.per_session),
				    t->dt, n <= FEW_SESSIONS ? 2 : 300);
		/* ... unless the sessions there are cannot have taken the difference: a limit changed, others took it. */
		w->memory.available_idle =
			fmin(w->memory.available_idle,
			     w->memory.available + 2 * (n + 1) * w->memory.per_session);
		hard = fmin(hard,
			    fmax(1, (w->memory.available_idle - w->config.memory_reserve_bytes) /
					    (MEMORY_MARGIN * w->memory.per_session)));
		w->memory.carried = hard;
		/* Exhausted within 10 s at this rate: half of what is in flight must do. */
		if (window_has(w, WINDOW_PART_EXHAUSTION) &&
		    tick_first_of(s, SIGNAL_MTA_MEM_USED_RATIO, SIGNAL_MEM_USED_RATIO, 0) > 0.8 &&
		    w->memory.available_rate < 0 && available < -10 * w->memory.available_rate)
			hard = fmin(hard, fmax(n / 2, w->config.least));
		*ret_reason = REASON_MEMORY;
		w->memory.missed_s = 0;
	} else {
		/* A reading that is missing does not take the cliff away. */
		w->memory.missed_s += t->dt;
		if (w->memory.missed_s > MISSED_MOST_S)
			w->memory.carried = 0;
		if (w->memory.carried > 0) {
			hard = w->memory.carried;
			*ret_reason = REASON_MEMORY;
		}
	}
	if (sample_has(s, SIGNAL_SPOOL_FREE_BYTES)) {
		room = fmax(0,
			    n + (s->value[SIGNAL_SPOOL_FREE_BYTES] - w->config.disk_reserve_bytes) /
					    DISK_PER_SESSION);
		if (s->value[SIGNAL_SPOOL_FREE_BYTES] <= w->config.disk_reserve_bytes)
			room = 0;
		if (hard < 0 || room < hard) {
			hard = room;
			*ret_reason = REASON_DISK;
		}
	}
	if (w->config.most && (hard < 0 || w->config.most < hard)) {
		hard = w->config.most;
		*ret_reason = REASON_SMTP;
	}
	return hard;
}
