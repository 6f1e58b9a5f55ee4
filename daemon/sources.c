/* The table of sources in the daemon: it is its one writer. Events come from its own fronts at once, from proxies through their
 * rings and from the gate in bulk, once a tick; ranks go the other way, by mapping to the proxies, by calls to the gate. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/engine_config.h"
#include "core/engine_image.h"
#include "daemon_parts.h"

#define BATCH \
	2048u /* events of one proxy a tick: about half a millisecond; what is more is counted as lost */
#define RANKS 128u /* told to the gate a tick, out of so many places looked at */
#define PLACES 2048u

void daemon_open_sources(struct daemon *d, const uint64_t seed[2])
{
	struct sources *s = &d->sources;
	struct source_config *config = calloc(1, sizeof(*config));
	int r = -ENOMEM;

	s->batch = calloc(BATCH, sizeof(*s->batch));
	if (config && s->batch) {
		source_config_from(&d->config, daemon_cores(), config);
		r = sourcefile_open(d->config.run_dir, d->config.state_dir, config, seed,
				    clock_realtime_us(), &s->file);
	}
	free(config);
	if (r < 0) {
		log_error(
			"no memory for the table of sources: %s; all are ranked alike, mail is not affected",
			strerror(-r));
		return;
	}
	s->table = sourcefile_table(s->file);
}

void daemon_close_sources(struct daemon *d)
{
	sourcefile_close(d->sources.file);
	free(d->sources.batch);
	d->sources = (struct sources){ 0 };
}

void daemon_reload_sources(struct daemon *d, const struct config_source_options *before)
{
	struct source_config *config;

	if (!d->sources.table)
		return;
	if (before->ledger_bytes != d->config.sources.ledger_bytes ||
	    before->rate_bytes != d->config.sources.rate_bytes)
		log_warning(
			"source.ledger_size and source.rate_size change with a restart, not with a reload");
	config = calloc(1, sizeof(*config));
	if (!config)
		return;
	source_config_from(&d->config, daemon_cores(), config);
	source_configure(d->sources.table, config);
	free(config);
}

void daemon_rank(const struct daemon *d, const struct in6_addr *address,
		 struct plan_request *request)
{
	struct plan_source source;

	request->trusted = config_trusted(&d->config, address);
	request->refused = config_refused(&d->config, address);
	request->score = PLAN_UNLIMITED;
	if (!d->sources.table)
		return;
	source_lookup(d->sources.table, address->s6_addr, request->now_us, &source);
	plan_rank(&d->plan, &source, request);
}

/* Every event goes through here: the table takes it in, the recorder writes it down. */
static void note(struct daemon *d, const struct source_event *events, unsigned count,
		 uint64_t now_us)
{
	sources_note(d->sources.table, events, count, now_us);
	recorder_events(d->recorder, events, count, now_us);
}

/* An event of a verdict. */
static struct source_event attempt(const struct in6_addr *address, unsigned service,
				   struct verdict v)
{
	struct source_event e = { .kind = SOURCE_ATTEMPT,
				  .service = (uint8_t)service,
				  .admitted = v.admit,
				  .reason = v.reason,
				  .limit = v.limit };

	memcpy(e.address, address, sizeof(e.address));
	return e;
}

void daemon_note_verdict(struct daemon *d, const struct in6_addr *address, unsigned service,
			 struct verdict v, uint64_t now_us)
{
	struct source_event e = attempt(address, service, v);

	if (d->sources.table)
		note(d, &e, 1, now_us);
}

void daemon_note_proxies(struct daemon *d, uint64_t now_us)
{
	struct sources *s = &d->sources;

	if (!s->table || !d->remote)
		return;
	for (unsigned i = 0; i < remote_count(d->remote); i++) {
		unsigned n = remote_events(d->remote, i, s->batch, BATCH);

		note(d, s->batch, n, now_us);
	}
}

/* ---- the gate --------------------------------------------------------------------------------------------------- */

void daemon_note_gate(struct daemon *d, const struct gate_event *event, uint64_t now_us)
{
	struct sources *s = &d->sources;
	uint64_t group = plan_group(event->client.s6_addr);

	if (!s->table)
		return;
	if (event->finished) {
		struct source_event e = { .kind = SOURCE_FINISHED,
					  .service = (uint8_t)d->gating.service,
					  .server_us = (uint32_t)(event->server_us < UINT32_MAX
									  ? event->server_us
									  : UINT32_MAX) };

		memcpy(e.address, &event->client, sizeof(e.address));
		/* How long a session was says little about what it cost: only the server's part is charged. */
		if (event->server_us)
			note(d, &e, 1, now_us);
		return;
	}
	daemon_note_verdict(d, &event->client, d->gating.service, event->verdict, now_us);
	/* Ranks change with time alone, so whoever was heard of lately is told to the kernel again and again. */
	s->heard[(group * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SOURCES_HEARD_BITS)] =
		event->client;
}

void daemon_rank_gate(struct daemon *d, uint64_t now_us)
{
	static const struct in6_addr nobody = IN6ADDR_ANY_INIT;
	struct sources *s = &d->sources;
	uint64_t groups[RANKS];
	struct plan_source ranks[RANKS], absent;
	unsigned count = 0;

	if (!s->table || !d->gating.gate)
		return;
	for (unsigned n = 0; n < PLACES && count < RANKS; n++) {
		const struct in6_addr *a = &s->heard[s->next_heard++ & (SOURCES_HEARD - 1)];

		if (IN6_IS_ADDR_UNSPECIFIED(a))
			continue;
		groups[count] = plan_group(a->s6_addr);
		source_lookup(s->table, a->s6_addr, now_us, &ranks[count++]);
	}
	source_lookup(s->table, nobody.s6_addr, now_us, &absent);
	if (gate_ranks(d->gating.gate, groups, ranks, count, &absent) < 0 && !s->told_ranks) {
		s->told_ranks = true;
		log_warning(
			"the gate does not take all ranks of sources: the oldest stay as they are there");
	}
}

/* ---- the tick --------------------------------------------------------------------------------------------------- */

void daemon_plan_sources(struct daemon *d, uint64_t now_us, uint64_t realtime_us)
{
	struct source_input in;

	if (!d->sources.table)
		return;
	source_input_from(&d->engine, &d->load, now_us, realtime_us, &in);
	source_plan(d->sources.table, &in, &d->plan);
	source_stats(d->sources.table, &d->sources.stats);
	d->sources.stats_known = true;
}

/* ---- for people ------------------------------------------------------------------------------------------------- */

void daemon_note_sources(struct daemon *d)
{
	struct status *s = &d->status;

	s->sources_known = d->sources.stats_known;
	if (!s->sources_known)
		return;
	if (s->tick)
		sources_journal(&s->sources, &d->sources.stats);
	s->sources = d->sources.stats;
	s->ledger_error = sourcefile_error(d->sources.file);
	s->source_events_lost = d->remote ? remote_events_lost(d->remote) : 0;
}

bool daemon_picture(const struct daemon *d, const struct in6_addr *address,
		    struct source_picture *ret)
{
	uint64_t now_us = clock_monotonic_us();

	if (!d->sources.table)
		return false;
	source_explain(d->sources.table, address->s6_addr, now_us, &ret->view);
	ret->admitted_in_s =
		source_admitted_in_s(d->sources.table, address->s6_addr, &d->plan, 0, now_us);
	return true;
}

unsigned daemon_list_sources(const struct daemon *d, enum source_sort sort,
			     struct source_picture *list, unsigned most)
{
	uint64_t now_us = clock_monotonic_us();
	struct source_view *views = d->sources.table ? calloc(most, sizeof(*views)) : NULL;
	unsigned count;

	if (!views)
		return 0;
	count = source_list(d->sources.table, sort, now_us, views, most);
	for (unsigned i = 0; i < count; i++) {
		list[i].view = views[i];
		list[i].admitted_in_s = source_admitted_in_s(d->sources.table, views[i].address,
							     &d->plan, 0, now_us);
	}
	free(views);
	return count;
}
