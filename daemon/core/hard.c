/* W_hard: how many sessions memory, spool space and slots carry. Beyond these limits the server
 * does not become slower, it fails: each is a cliff. */
#include "core/window_parts.h"

void memory_init(struct memory *m)
{
	m->per_session = MEMORY_GUESS_BYTES;
}

void memory_restore(struct memory *m, const struct window_warm *warm)
{
	if (!warm_makes_sense(warm->session_bytes, 1, WARM_BYTES_MAX))
		return;
	m->per_session = warm->session_bytes;
	m->learned = true;
}

static struct fall fall_from(double value)
{
	return (struct fall){ value, value };
}

static void fall_step(struct fall *f, double value, double dt)
{
	smooth_step(&f->mean, value, dt, IDLE_MEAN_S);
	smooth_step(&f->lag, f->mean, dt, IDLE_RATE_S);
}

/* By how much it has fallen in IDLE_RATE_S; negative: it has risen. */
static double fallen(const struct fall *f)
{
	return f->lag - f->mean;
}

/* A session takes its memory late (at the end of DATA), so the figure falls slowly. If memory
 * limits the window, it falls faster, because then the figure is that of the sessions that are open
 * now. The memory that would be free without sessions is computed from this figure and corrected
 * with it: a new estimate does not mean that other programs took or freed memory. */
static void believe(struct memory *m, double n, double bytes_each, double dt, bool binds)
{
	double was = m->per_session, more;

	smooth_step(&m->per_session, bytes_each, dt,
		    bytes_each > was || binds ? SESSION_UP_S : SESSION_DOWN_S);
	more = n * (m->per_session - was);
	m->available_idle += more;
	m->idle.mean += more;
	m->idle.lag += more;
}

/* Learns the bytes of a session by regression. While the number in flight hardly varies, the last
 * good figure is kept. */
void memory_step(struct memory *m, const struct observation *o)
{
	double n = o->in->load->in_flight,
	       bytes = sample_get(o->in->sample, SIGNAL_MTA_MEM_BYTES, -1), dn, db;

	if (o->config->session_memory_bytes > 0) {
		m->per_session = o->config->session_memory_bytes;
		return;
	}
	if (bytes < 0)
		return;
	if (!m->primed) {
		m->flight_mean = n;
		m->memory_mean = bytes;
		m->primed = true;
	}
	dn = n - m->flight_mean;
	db = bytes - m->memory_mean;
	smooth_step(&m->flight_mean, n, o->dt, REGRESSION_S);
	smooth_step(&m->memory_mean, bytes, o->dt, REGRESSION_S);
	smooth_step(&m->variance, dn * dn, o->dt, REGRESSION_S);
	smooth_step(&m->covariance, dn * db, o->dt, REGRESSION_S);
	if (m->variance > MEMORY_VARIANCE_MIN && m->covariance > 0) {
		m->learned = true;
		believe(m, n, fmax(m->covariance / m->variance, SESSION_MIN_BYTES), o->dt,
			o->before->hard_binds);
	}
}

/* Memory that sessions must leave free. The configured reserve is meant for the time before the
 * need of a session is known. Beside a neighbour that leaves 40 MB of 350 MB it would leave no
 * place at all, although six sessions of 6 MB fit. So once the need is known, the reserve is one
 * session. Sessions differ in what they hold, so the spread of the total is kept free, too. */
static double reserve(const struct memory *m, const struct window_config *config)
{
	if (!m->learned || config->memory_reserve_bytes > RESERVE_USUAL_BYTES)
		return config->memory_reserve_bytes;
	return fmin(config->memory_reserve_bytes, m->per_session) +
	       RESERVE_SIGMAS * sqrt(m->idle_variance);
}

/* Handles a limit of the server's control groups that was set, changed or found: free memory is now
 * relative to another limit. No program took the difference, so the statistics begin again.
 * Example: of 24 GB free, a limit of 240 MB leaves 180 MB; if that counted as a fall, its forecast
 * would leave one place for half a minute. When a limit disappears, room comes back slowly. */
static void learn_limit(struct memory *m, double limit)
{
	if (limit > 0 && limit != m->limit) {
		m->idle_seen = false;
		m->idle_variance = 0;
	}
	m->limit = limit;
}

/* Learns what would be free without any session: what is free now, plus what the sessions in flight
 * hold. A lower value is believed at once, a higher one slowly. So sessions that were just
 * admitted, and have not taken their memory yet, do not make room for more, and the error of the
 * readings stays free. Example: 768 MB, 8 MB a session, 50 in flight: 368 MB are free, 368 + 50 x 8
 * = 768. If readings err by a tenth of 368 MB, about 40 MB less are believed. */
static void learn_idle(struct memory *m, double n, double used, double dt)
{
	double idle = m->available + n * m->per_session, off;

	if (!m->idle_seen) {
		m->available_idle = idle;
		m->idle = fall_from(idle);
		m->free = fall_from(m->available);
		m->left = fall_from(m->available + used);
	}
	m->idle_seen = true;
	smooth_step(&m->available_idle, idle, dt,
		    idle + sqrt(m->idle_variance) < m->available_idle ? IDLE_DOWN_S : IDLE_UP_S);
	/* What other programs take or free is no spread: it is left out, and what is still beyond
	 * CHANCE_SIGMAS is cut off. */
	off = fabs(idle - m->idle.lag + fallen(&m->left));
	off = fmin(off, CHANCE_SIGMAS * sqrt(m->idle_variance) + m->per_session);
	smooth_step(&m->idle_variance, off * off, dt, IDLE_UP_S);
	fall_step(&m->idle, idle, dt);
	fall_step(&m->free, m->available, dt);
	fall_step(&m->left, m->available + used, dt);
}

/* What will have been taken by the time that the sessions in flight have ended, if this goes on: by
 * other programs, so that less is left for the server, or by sessions that take more than was
 * believed, so that less is free. When sessions end and their processes keep the memory, neither
 * falls, and only what would be free without them seems to. Example: 26 sessions that were believed
 * to hold 5 MB each end: 130 MB less would be free without any, and none is taken. The slope comes
 * from a mean that lags behind by IDLE_RATE_S, not from the difference of two readings.
 *
 * What others take is foreseen for the time of a session: a later one is not admitted if it no
 * longer fits. Example: a scanner that loads its database takes 1.5 GB at once and leaves 650 MB.
 * For five seconds ahead another 2.4 GB would be foreseen, and no session would fit; for a session
 * of .8 s it is .4 GB. */
static double taken_by_then(const struct memory *m, const struct observation *o)
{
	const struct window_view *v = o->before;
	double session_s = v->target_time_s + v->unloaded_s + v->think_time_s;
	double falls = fmin(fmax(fallen(&m->free), fallen(&m->left)), fallen(&m->idle));
	double others = clamp_double(fallen(&m->left), 0, fmax(0, falls));

	if (!window_has(o->config, WINDOW_PART_EXHAUSTION))
		return 0;
	if (v->equation <= 0 || !sample_has(o->in->sample, SIGNAL_MTA_MEM_BYTES))
		others = 0; /* the time of a session, or whose memory it is, is not known */
	return (fmax(0, falls - others) * EXHAUSTS_AHEAD_S +
		others * fmin(session_s, EXHAUSTS_AHEAD_S)) /
	       IDLE_RATE_S;
}

/* Sessions that memory carries; -1: not known. */
static double memory_ceiling(struct memory *m, const struct observation *o)
{
	double hard;

	if (!sample_has(o->in->sample, SIGNAL_MEM_AVAILABLE_BYTES)) {
		/* Without a reading the cliff stays for a while. */
		m->missed_s += o->dt;
		if (m->missed_s > BLIND_S)
			m->carried = 0;
		return m->carried > 0 ? m->carried : -1;
	}
	m->available = o->in->sample->value[SIGNAL_MEM_AVAILABLE_BYTES];
	learn_limit(m, sample_get(o->in->sample, SIGNAL_MTA_MEM_LIMIT_BYTES, 0));
	learn_idle(m, o->in->load->in_flight,
		   sample_get(o->in->sample, SIGNAL_MTA_MEM_BYTES, m->memory_mean), o->dt);
	m->missed_s = 0;
	/* One session always passes: without any, the law would not see that memory is free
	 * again. */
	hard = fmax(1, (m->available_idle - taken_by_then(m, o) - reserve(m, o->config)) /
			       m->per_session);
	m->carried = hard;
	return hard;
}

/* Sessions that the spool has space for; -1: not known. */
static double space_ceiling(const struct observation *o)
{
	double left = sample_get(o->in->sample, SIGNAL_SPOOL_FREE_BYTES, -1) -
		      o->config->disk_reserve_bytes;

	if (!sample_has(o->in->sample, SIGNAL_SPOOL_FREE_BYTES))
		return -1;
	return left <= 0 ? 0 : o->in->load->in_flight + left / SESSION_MIN_BYTES;
}

/* W_hard: the lowest of the cliffs, and which one it is; -1: none is known. */
double hard_limit(struct memory *memory, const struct observation *o, enum reason *ret_reason)
{
	const struct {
		double most;
		enum reason reason;
	} rows[] = {
		{ memory_ceiling(memory, o), REASON_MEMORY },
		{ space_ceiling(o), REASON_DISK },
		{ o->config->max ? (double)o->config->max : -1, REASON_SMTP },
	};
	double hard = -1;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].most < 0 || (hard >= 0 && rows[i].most >= hard))
			continue;
		hard = rows[i].most;
		*ret_reason = rows[i].reason;
	}
	return hard;
}
