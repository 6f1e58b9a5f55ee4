/* Whose turn it is in an SMTP session, and when a session is stuck. Part of smtp.bpf.c. */
#ifndef PENSTOCK_BPF_SMTP_TURN_H
#define PENSTOCK_BPF_SMTP_TURN_H

#include "smtp_maps.h"

/* The same rules as in core/overtaken.h, from here to is_slow(). */
static inline void note_ask(struct smtp_port *port, struct smtp_session *s)
{
	s->asked = s->greeted_ns != 0;
	s->asked_at = port->completed;
	s->before = port->busy > 0 ? (u32)port->busy : 0;
}

static inline void job_done(struct smtp_port *port)
{
	__sync_fetch_and_add(&port->completed, 1);
	port->bounds_more -= port->bounds_more >> SMTP_BOUNDS_FADE_SHIFT;
}

static inline void answered_late(struct smtp_port *port)
{
	u64 more = port->bounds_more;

	more += (SMTP_BOUNDS_ONCE + more) / 2;
	port->bounds_more = more < SMTP_BOUNDS_MORE_MAX ? more : SMTP_BOUNDS_MORE_MAX;
}

static inline int is_overtaken(const struct smtp_port *port, const struct smtp_session *s)
{
	u64 bound = (u64)s->before + SMTP_OVERTAKEN_MIN;

	return s->asked && port->completed - s->asked_at >=
				   s->before + bound + bound * port->bounds_more / SMTP_BOUNDS_ONCE;
}

static inline u64 owed_long_ns(const struct smtp_port *port)
{
	return SMTP_OWED_LONG_NS + SMTP_OWED_LONG_NS / SMTP_BOUNDS_ONCE * port->bounds_more;
}

static inline int is_owed_long(const struct smtp_port *port, const struct smtp_session *s, u64 now)
{
	return now > s->turned_ns + owed_long_ns(port);
}

static inline int is_slow(const struct smtp_port *port, const struct smtp_session *s, u64 now)
{
	return now > s->turned_ns + owed_long_ns(port) / SMTP_SLOW_PARTS;
}

/* penstockd reads these numbers while they change. It relies on the order of the steps, here and
 * where a turn ends (daemon/kernel/open_sum.h). */
static inline void count_busy(struct smtp_port *port, u64 now)
{
	__sync_fetch_and_add(&port->busy_since_ns, now);
	add(&port->busy, 1);
}

static inline void set_busy(struct smtp_port *port, struct smtp_session *s, u64 now, u8 busy)
{
	if (s->stuck) {
		if (busy)
			return; /* until the server answers */
		s->stuck = 0;
		if (now > s->stuck_since_ns)
			s->was_stuck_ns += now - s->stuck_since_ns;
		add(&port->stuck, -1);
		return;
	}
	if (s->busy == busy)
		return;
	s->busy = busy;
	if (busy) {
		s->turned_ns = now;
		note_ask(port, s);
		count_busy(port, now);
	} else {
		u64 worked_ns = now > s->turned_ns ? now - s->turned_ns : 0;

		s->server_ns += worked_ns;
		add(&port->busy, -1);
		__sync_fetch_and_add(&port->busy_ns, worked_ns);
		__sync_fetch_and_add(&port->busy_since_ns, -s->turned_ns);
	}
}

/* Takes a turn back: it was not the server's. */
static inline void take_back(struct smtp_port *port, struct smtp_session *s)
{
	s->busy = 0;
	add(&port->busy, -1);
	__sync_fetch_and_add(&port->busy_since_ns, -s->turned_ns);
}

/* The same rule as in core/smtp_track.h. */
static inline void become_stuck(struct smtp_port *port, struct smtp_session *s, u64 now)
{
	set_busy(port, s, now, 0);
	s->stuck = 1;
	s->stuck_since_ns = now;
	add(&port->stuck, 1);
}

/* The server answered, which ends a turn. So many turns count as one job, even in a session that
 * lasts long. */
static inline void answered(struct smtp_port *port, struct smtp_session *s, u64 now)
{
	if (!s->busy && !s->stuck)
		return;
	if (s->stuck && s->asked)
		answered_late(port);
	s->asked = 0;
	set_busy(port, s, now, 0);
	s->turns++;
	if (s->turns % SMTP_TURNS_PER_JOB == 0)
		job_done(port);
}

#endif
