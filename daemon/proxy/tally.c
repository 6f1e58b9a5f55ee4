#include "proxy/tally.h"

#include <errno.h>

#include "base/log.h"
#include "base/random.h"
#include "proxy/sharedfile.h"

#define HELD_PEERS 64 /* initial number of places */
/* So many names are tried, if processes with the same PID (of containers) are as quick. */
#define GENERATIONS_MAX 64

int tally_open_counts(struct tally *t)
{
	const char *run_dir = t->config.run_dir;
	int r = -EEXIST;

	for (unsigned i = 0; i < GENERATIONS_MAX && r == -EEXIST; i++, t->generation++) {
		t->generation = sharedfile_free(run_dir, t->generation);
		r = eventsfile_open(&t->events, run_dir, t->generation);
		if (r < 0)
			continue;
		r = countsfile_open(&t->counts, run_dir, t->generation, t->plan.service_id);
		if (r < 0)
			eventsfile_remove(&t->events);
	}
	if (r == -EEXIST) {
		log_warning(
			"Cannot share counts in %s/counts: too many files have the name of this process. penstockd does not see this proxy's sessions; mail is not affected. Remove old files there.",
			run_dir);
		r = countsfile_keep(&t->counts, t->plan.service_id);
	}
	if (r < 0)
		return r;
	t->counts.counts->heartbeat_us = t->busy_since_us;
	return 0;
}

void tally_configured(struct tally *t)
{
	const struct config_service *service;

	t->service = (unsigned)config_service_index(&t->config, t->config.proxy.service);
	service = &t->config.service[t->service];
	t->refusals.by = (struct refusals_by){
		.front = "proxy",
		.service = service->name,
		.style = service->implicit_tls ? NULL : &service->reply,
		.code = service->reply_code,
	};
}

int tally_open(struct tally *t, const struct config *config, uint64_t now_us)
{
	uint64_t seed = 0;

	t->config = *config;
	t->counts.fd = -1;
	t->busy_since_us = now_us;
	tally_configured(t);
	planview_init(&t->plan, config->run_dir, config->proxy.service);
	sourceview_init(&t->sources, config->run_dir);
	siblings_init(&t->siblings, config->run_dir, plan_service_id(config->proxy.service));
	random_fill(&seed, 1);
	if (peers_open(&t->peers, config->proxy.connections_max, seed) < 0)
		log_warning(
			"Cannot count the sessions of each source: out of memory. source.sessions_max has no effect here.");
	peers_open(&t->held_peers, HELD_PEERS,
		   seed); /* without memory all who wait count as alone */
	room_init(&t->room, seed);
	room_debts_init(&t->debts, seed);
	room_debts_init(&t->told_late, seed + 1);
	return tally_open_counts(t);
}

void tally_close(struct tally *t)
{
	refusals_flush(&t->refusals, UINT64_MAX);
	if (t->held_event)
		event_free(t->held_event);
	if (t->base)
		event_base_free(t->base);
	if (t->counts.counts)
		countsfile_close(&t->counts);
	eventsfile_close(&t->events);
	peers_close(&t->peers);
	peers_close(&t->held_peers);
	sourceview_done(&t->sources);
	siblings_done(&t->siblings);
	planview_done(&t->plan);
}

void tally_fault(struct tally *t, enum fault fault, uint64_t now_us, const char *detail)
{
	faultlog_note(&t->faultlog, &t->counts.counts->faults, fault, now_us, detail);
}
