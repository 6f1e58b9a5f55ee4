#include "kernel/smtp_refusals.h"

#include <bpf/bpf.h>
#include <string.h>

#include "base/clock.h"

#include "smtp.skel.h"

#define LASTS_US (120 * US_PER_S)

static void drop_oldest(struct smtp_refusals *r, struct smtp_bpf *bpf)
{
	const struct smtp_refusal *oldest = &r->ring[r->head];
	int fd = bpf_map__fd(bpf->maps.refused);
	uint64_t number = 0;

	/* The probe may have deleted the entry, and then the same address and port was refused
	 * again: that entry is younger. */
	if (bpf_map_lookup_elem(fd, &oldest->tuple, &number) == 0 && number == oldest->number &&
	    bpf_map_delete_elem(fd, &oldest->tuple) == 0)
		__atomic_fetch_sub(&bpf->bss->ports[oldest->slot].refused_open, 1,
				   __ATOMIC_RELAXED);
	r->head = (r->head + 1) % SMTP_REFUSALS;
	r->count--;
}

void smtp_refusals_add(struct smtp_refusals *r, struct smtp_bpf *bpf, unsigned slot,
		       const struct in6_addr *address, uint16_t port, uint64_t now_us)
{
	struct smtp_refusal *refusal;
	int fd = bpf_map__fd(bpf->maps.refused);

	if (r->count == SMTP_REFUSALS)
		drop_oldest(r, bpf);
	refusal = &r->ring[(r->head + r->count) % SMTP_REFUSALS];
	memset(refusal, 0, sizeof(*refusal));
	memcpy(refusal->tuple.address, address, sizeof(refusal->tuple.address));
	refusal->tuple.port = port;
	refusal->tuple.local = bpf->rodata->watched[slot];
	refusal->made_us = now_us;
	refusal->slot = slot;
	refusal->number = ++r->numbers;
	if (bpf_map_update_elem(fd, &refusal->tuple, &refusal->number, BPF_NOEXIST) == 0) {
		__atomic_fetch_add(&bpf->bss->ports[slot].refused_open, 1, __ATOMIC_RELAXED);
		r->count++;
	} else if (bpf_map_update_elem(fd, &refusal->tuple, &refusal->number, BPF_EXIST) == 0) {
		r->count++; /* it is counted already, and lasts longer */
	}
}

void smtp_refusals_expire(struct smtp_refusals *r, struct smtp_bpf *bpf, uint64_t now_us)
{
	while (r->count && now_us - r->ring[r->head].made_us > LASTS_US)
		drop_oldest(r, bpf);
}
