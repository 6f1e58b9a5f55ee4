#include "kernel/smtp_audit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/smtp_walk.h"

#include "smtp.skel.h"

#define AUDIT_US (10 * US_PER_S)

/* The sessions in the map, by port. */
struct counted {
	int64_t in_flight[SMTP_PORTS], ungreeted[SMTP_PORTS], busy[SMTP_PORTS], stuck[SMTP_PORTS];
};

static void count(void *context, uint64_t key, const struct smtp_session *s)
{
	struct counted *c = context;

	(void)key;
	if (s->slot >= SMTP_PORTS)
		return;
	c->in_flight[s->slot]++;
	c->ungreeted[s->slot] += s->wheeled;
	c->busy[s->slot] += s->busy;
	c->stuck[s->slot] += s->stuck;
}

/* A difference that two audits find is drift. A difference that only one of them saw was traffic
 * during the walk. */
static int64_t settle(int64_t *last, int64_t now)
{
	int64_t agreed = 0;

	if ((*last > 0 && now > 0) || (*last < 0 && now < 0))
		agreed = llabs(*last) < llabs(now) ? *last : now;
	*last = now - agreed;
	return agreed;
}

static unsigned audit(struct smtp_audit *a, struct smtp_bpf *bpf)
{
	struct counted found = { 0 };
	unsigned corrected = 0;
	int64_t d;

	if (smtp_walk(bpf, count, &found) < 0)
		return 0;
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		struct smtp_port *p = &bpf->bss->ports[i];

		if (!bpf->rodata->watched[i])
			continue;
		found.in_flight[i] += p->seeded;
		found.ungreeted[i] += p->seeded_ungreeted;
		found.busy[i] += p->seeded_busy;
		d = settle(&a->drift[i].in_flight, found.in_flight[i] - p->in_flight);
		__atomic_fetch_add(&p->in_flight, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&a->drift[i].ungreeted, found.ungreeted[i] - p->ungreeted);
		__atomic_fetch_add(&p->ungreeted, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&a->drift[i].stuck, found.stuck[i] - p->stuck);
		__atomic_fetch_add(&p->stuck, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&a->drift[i].busy, found.busy[i] - p->busy);
		__atomic_fetch_add(&p->busy, d, __ATOMIC_RELAXED);
		__atomic_fetch_add(&p->busy_since_ns, (uint64_t)d * clock_monotonic_us() * 1000,
				   __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		if (p->in_flight == 0 && found.in_flight[i] == 0)
			memset(p->wheel, 0, sizeof(p->wheel));
	}
	return corrected;
}

unsigned smtp_audit_step(struct smtp_audit *a, struct smtp_bpf *bpf, uint64_t now_us)
{
	if (now_us - a->made_us < AUDIT_US)
		return 0;
	a->made_us = now_us;
	return audit(a, bpf);
}
