/* Sessions that wait for their greeting, by the time at which they came. Part of smtp.bpf.c. */
#ifndef PENSTOCK_BPF_SMTP_GREETING_H
#define PENSTOCK_BPF_SMTP_GREETING_H

#include "smtp_maps.h"
#include "time_slot.h"
#include "wheel.h"

static inline void leave_wheel(struct smtp_port *port, struct smtp_session *s)
{
	s->wheeled = 0;
	wheel_add(port->wheel, s->opened_ns, -1);
	add(&port->ungreeted, -1);
}

static inline void greeted(struct smtp_port *port, struct smtp_session *s, u64 now, u64 sent_ns)
{
	u64 us;
	u32 slot;

	if (sent_ns < s->opened_ns || sent_ns > now)
		sent_ns = now;
	us = (sent_ns - s->opened_ns) / 1000;
	s->greeted_ns = now;
	slot = time_slot(us);
	asm volatile("" : "+r"(slot)); /* the compiler knows the bound, the verifier must see it */
	port->connect_220[slot & (TIME_SLOTS - 1)]++;
	__sync_fetch_and_add(&port->greeted, 1);
	if (s->wheeled) {
		leave_wheel(port, s);
		__sync_fetch_and_add(&port->given, 1);
	}
}

/* The same rule as in core/overtaken.h. */
static inline u64 when_overtaken(const struct smtp_port *port)
{
	u64 before = port->ungreeted > 0 ? (u64)port->ungreeted : 0;

	return port->given + before + before + SMTP_OVERTAKEN_MIN;
}

#endif
