/* Verdicts for the daemon's own fronts, which ask in this process. The proxy and the gate decide by themselves, from the same plan. */
#include <math.h>

#include "base/clock.h"
#include "core/reply.h"
#include "daemon_parts.h"

struct verdict daemon_ask(void *context, struct front_env *env, const struct front_client *client,
			  char *reply)
{
	struct daemon *d = context;
	uint64_t now_us = clock_monotonic_us();
	const struct load_service *load = &d->load.service[client->service];
	struct counts_service *counts = &env->counts->service[client->service];
	/* The kernel counts the asking connection itself as open already. */
	double in_flight = fmax(0, load->in_flight - 1) + (double)d->policy_admitted;
	struct plan_request request = { .now_us = now_us,
					.service = client->service,
					.in_flight = (uint32_t)fmin(in_flight, 4e9),
					.waiting = 0 /* who asks waits by asking */ };
	struct verdict v;

	request.tokens_milli =
		plan_bucket_refill(&d->policy_bucket, &d->plan.service[client->service], now_us);
	daemon_rank(d, &client->address, &request);
	v = plan_decide(&d->plan, &request);
	counts_verdict(counts, v);
	daemon_note_verdict(d, &client->address, client->service, v, now_us);
	if (v.admit) {
		d->policy_admitted++;
		if (!v.would_defer)
			plan_bucket_take(&d->policy_bucket);
	} else {
		reply_text(reply, REPLY_MAX + 1, d->config.service[client->service].reply_code,
			   (enum reason)v.reason, d->plan.order_until_us);
		if (d->kernel && client->port)
			kernel_smtp_mark_refused(d->kernel, client->service, &client->address,
						 client->port, now_us);
	}
	return v;
}

void daemon_put_own_load(struct daemon *d)
{
	if (!d->policy)
		return;
	d->policy_admitted = 0;
	for (unsigned i = 0; i < d->config.services; i++) {
		const struct counts_service *c = &d->policy_counts.service[i];
		struct load_service *l = &d->load.service[i];

		if (c->offered == 0)
			continue;
		l->offered += c->offered;
		l->admitted += c->admitted;
		l->deferred += c->deferred;
		l->would_defer += c->would_defer;
		l->known |= LOAD_OFFERED;
	}
}
