#include "front/desk.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "core/reply.h"
#include "front/fronts.h"
#include "kernel/kernel.h"
#include "sources/sources.h"
#include "store/recording.h"

/* Adds to the request what is known of the client. */
static void rank(const struct desk *d, const struct front_client *client,
		 struct plan_request *request)
{
	const struct in6_addr *address = &client->address;
	const struct front_env *env = d->env;
	struct plan_source source;

	request->score = PLAN_UNLIMITED;
	if (!client->address_known)
		return;
	request->trusted = config_trusted(env->config, address);
	request->refused = config_refused(env->config, address);
	if (sources_rank(d->sources, address, request->now_us, &source))
		plan_rank(d->plan, &source, request);
}

/* Reports what happened to clients, to the table of sources and to the recorder. `context`: a
 * struct desk. */
static void desk_seen(void *context, const struct source_event *events, unsigned count,
		      uint64_t now_us)
{
	struct desk *d = context;

	if (sources_take(d->sources, events, count, now_us))
		recording_events(d->recording, events, count, now_us);
}

void desk_seen_elsewhere(void *context, const struct source_event *events, unsigned count,
			 uint64_t now_us)
{
	struct desk *d = context;
	struct front_client client = { .address_known = true };

	desk_seen(d, events, count, now_us);
	for (unsigned i = 0; d->fronts && i < count; i++) {
		if (events[i].kind != SOURCE_ATTEMPT || events[i].admitted)
			continue;
		memcpy(&client.address, events[i].address, sizeof(client.address));
		client.service = events[i].service;
		fronts_refused(d->fronts, &client);
	}
}

static bool desk_rank(void *context, const struct in6_addr *address, uint64_t now_us,
		      struct plan_source *ret)
{
	const struct desk *d = context;

	return sources_rank(d->sources, address, now_us, ret);
}

/* Postfix asks once a client has named a recipient (smtpd_delay_reject, its default), and never
 * reports how the session ended. So an admitted client counts as one that delivers mail. */
static void note_job(struct desk *d, const struct front_client *client, uint64_t now_us)
{
	struct source_event e = { .kind = SOURCE_FINISHED,
				  .service = (uint8_t)client->service,
				  .turns = SOURCE_JOB_TURNS };

	memcpy(e.address, &client->address, sizeof(e.address));
	desk_seen(d, &e, 1, now_us);
}

static struct verdict desk_decide(void *context, const struct front_client *client,
				  struct counts *counts, char *reply)
{
	struct desk *d = context;
	const struct front_env *env = d->env;
	uint64_t now_us = clock_monotonic_us();
	const struct load_service *load = &d->load->service[client->service];
	/* The kernel counts the asking connection itself as open already, if the server has it. */
	double in_flight =
		fmax(0, load->in_flight - !client->ahead) + (double)d->admitted[client->service];
	struct plan_request request = { .now_us = now_us,
					.service = client->service,
					.in_flight = (uint32_t)fmin(in_flight, 4e9),
					.ungreeted = 0 /* the caller waits: it asked */ };
	struct plan_bucket *bucket = &d->bucket[client->service];
	struct source_event event;
	struct verdict v;

	request.tokens_milli =
		plan_bucket_refill(bucket, &d->plan->service[client->service], now_us);
	rank(d, client, &request);
	v = plan_decide(d->plan, &request);
	counts_verdict(&counts->service[client->service], v);
	if (client->address_known) {
		event = source_attempt(client->address.s6_addr, client->service, v);
		desk_seen(d, &event, 1, now_us);
		if (v.admit)
			note_job(d, client, now_us);
	}
	if (v.admit) {
		d->admitted[client->service]++;
		if (!v.would_defer)
			plan_bucket_take(bucket);
	} else {
		reply_text(reply, REPLY_MAX + 1, env->config->service[client->service].reply_code,
			   &env->config->service[client->service].reply, (enum reason)v.reason,
			   d->plan->order_until_us);
		if (client->address_known && d->fronts)
			fronts_refused(d->fronts, client);
		if (env->kernel && client->port && client->address_known)
			kernel_smtp_mark_refused(env->kernel, client->service, &client->address,
						 client->port, now_us);
	}
	return v;
}

void desk_tick(struct desk *d)
{
	memset(d->admitted, 0, sizeof(d->admitted));
}

static uint32_t desk_tokens(void *context, unsigned service, uint64_t now_us)
{
	struct desk *d = context;

	return plan_bucket_refill(&d->bucket[service], &d->plan->service[service], now_us);
}

const struct desk_ops desk_ops = {
	.decide = desk_decide, .rank = desk_rank, .tokens = desk_tokens, .seen = desk_seen
};
