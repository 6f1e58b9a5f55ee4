#include "kernel/smtp_audit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#include "smtp.skel.h"

#define AUDIT_US (10 * US_PER_S)
#define AUDIT_MAX 8192 /* more sessions than this are not audited: the walk would take too long */

static void recount(struct smtp_bpf *bpf, int64_t in_flight[], int64_t ungreeted[], int64_t busy[],
		    int64_t stuck[], bool *ret_whole)
{
	int fd = bpf_map__fd(bpf->maps.sessions);
	_cleanup_free_ uint64_t *keys = calloc(AUDIT_MAX, sizeof(*keys));
	_cleanup_free_ struct smtp_session *values = calloc(AUDIT_MAX, sizeof(*values));
	uint32_t count = AUDIT_MAX, batch = 0;
	int r;

	*ret_whole = false;
	if (!keys || !values)
		return;
	r = bpf_map_lookup_batch(fd, NULL, &batch, keys, values, &count, NULL);
	if (r != 0 && errno != ENOENT)
		return;
	*ret_whole = r != 0; /* ENOENT: the end of the map */
	for (uint32_t i = 0; i < count; i++) {
		const struct smtp_session *v = &values[i];

		if (v->slot >= SMTP_PORTS)
			continue;
		in_flight[v->slot]++;
		ungreeted[v->slot] += v->wheeled;
		busy[v->slot] += v->busy;
		stuck[v->slot] += v->stuck;
	}
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
	int64_t in_flight[SMTP_PORTS] = { 0 }, ungreeted[SMTP_PORTS] = { 0 },
		busy[SMTP_PORTS] = { 0 }, stuck[SMTP_PORTS] = { 0 }, d;
	unsigned corrected = 0;
	bool whole;

	recount(bpf, in_flight, ungreeted, busy, stuck, &whole);
	if (!whole)
		return 0;
	for (unsigned i = 0; i < SMTP_PORTS; i++) {
		struct smtp_port *p = &bpf->bss->ports[i];

		if (!bpf->rodata->watched[i])
			continue;
		in_flight[i] += p->seeded;
		ungreeted[i] += p->seeded_ungreeted;
		busy[i] += p->seeded_busy;
		d = settle(&a->drift[i].in_flight, in_flight[i] - p->in_flight);
		__atomic_fetch_add(&p->in_flight, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&a->drift[i].ungreeted, ungreeted[i] - p->ungreeted);
		__atomic_fetch_add(&p->ungreeted, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&a->drift[i].stuck, stuck[i] - p->stuck);
		__atomic_fetch_add(&p->stuck, d, __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		d = settle(&a->drift[i].busy, busy[i] - p->busy);
		__atomic_fetch_add(&p->busy, d, __ATOMIC_RELAXED);
		__atomic_fetch_add(&p->busy_since_ns, (uint64_t)d * clock_monotonic_us() * 1000,
				   __ATOMIC_RELAXED);
		corrected += (unsigned)llabs(d);
		if (p->in_flight == 0 && in_flight[i] == 0)
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
