#include "sources/sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/log.h"
#include "base/memlimit.h"
#include "config/engine_config.h"
#include "core/sources_input.h"
#include "refuse/faultlog.h"
#include "store/sourcefile.h"

/* What penstockd needs in addition to the table of sources: probes, the gate's maps, buffers. */
#define OTHERWISE_BYTES (UINT64_C(64) << 20)
#define SHARED_EVERY_US (60 * US_PER_S)

struct sources {
	struct sourcefile *file;
	struct source_table *table; /* NULL: no memory, and all sources have the same rank */
	uint64_t ledger_bytes, rate_bytes; /* as configured when it was opened */
	struct source_stats stats; /* of the last tick */
	bool stats_known;
	struct source_shared shared, shared_last; /* as of the last look; of the last fault */
	/* when it last looked for a shared address; when it last counted one, 0: never */
	uint64_t looked_us, found_us;
	struct faults faults;
	struct faultlog faultlog;
	struct distinct deferred;
	sources_watcher *watch;
	void *watch_context;
};

/* Makes the table smaller if the kernel would kill penstockd for its memory, all of which is
 * allocated at the start: a daemon that is killed at each start helps no sender. */
static void fit(struct source_config *options)
{
	uint64_t limit = memlimit_of_self(), wanted = source_size(options);

	if (limit == UINT64_MAX)
		return;
	limit = limit > OTHERWISE_BYTES ? limit - OTHERWISE_BYTES : 0;
	if (wanted <= limit)
		return;
	while (source_size(options) > limit && options->ledger_bytes + options->rate_bytes > 131072)
		if (options->ledger_bytes >= options->rate_bytes)
			options->ledger_bytes /= 2;
		else
			options->rate_bytes /= 2;
	log_error(
		"Cannot hold a table of sources of %llu MiB (source.ledger_size): this process may have %llu MiB beside what it needs otherwise. The table has %llu MiB and remembers fewer senders. Raise MemoryMax= (systemctl edit penstockd), or lower the size.",
		(unsigned long long)(wanted >> 20), (unsigned long long)(limit >> 20),
		(unsigned long long)(source_size(options) >> 20));
}

static int open_table(struct sources *s, const struct config *config, const uint64_t seed[2])
{
	_cleanup_free_ struct source_config *options = calloc(1, sizeof(*options));
	int r;

	if (!options)
		return -ENOMEM;
	source_config_from(config, cpus_allowed(), options);
	fit(options);
	r = sourcefile_open(config->run_dir, config->state_dir, options, seed, clock_realtime_us(),
			    &s->file);
	if (r == 0)
		s->table = sourcefile_table(s->file);
	return r;
}

int sources_open(const struct config *config, const uint64_t seed[2], struct sources **ret_sources)
{
	struct sources *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->ledger_bytes = config->sources.ledger_bytes;
	s->rate_bytes = config->sources.rate_bytes;
	r = open_table(s, config, seed);
	if (r < 0)
		log_error(
			"Cannot make the table of sources: %s. All sources are ranked alike; mail is not affected.",
			strerror(-r));
	*ret_sources = s;
	return 0;
}

void sources_close(struct sources *s)
{
	if (!s)
		return;
	sourcefile_close(s->file);
	free(s);
}

void sources_configure(struct sources *s, const struct config *config)
{
	_cleanup_free_ struct source_config *options = NULL;

	if (!s->table)
		return;
	if (s->ledger_bytes != config->sources.ledger_bytes ||
	    s->rate_bytes != config->sources.rate_bytes)
		log_warning(
			"Cannot change source.ledger_size: a reload cannot do that. The size in force stays. Restart penstockd.");
	s->ledger_bytes = config->sources.ledger_bytes;
	s->rate_bytes = config->sources.rate_bytes;
	options = calloc(1, sizeof(*options));
	if (!options)
		return;
	source_config_from(config, cpus_allowed(), options);
	source_configure(s->table, options);
}

bool sources_rank(const struct sources *s, const struct in6_addr *address, uint64_t now_us,
		  struct plan_source *ret)
{
	if (!s->table)
		return false;
	source_lookup(s->table, address->s6_addr, now_us, ret);
	return true;
}

bool sources_take(struct sources *s, const struct source_event *events, unsigned count,
		  uint64_t now_us)
{
	if (!s->table)
		return false;
	sources_note(s->table, events, count, now_us);
	for (unsigned i = 0; i < count; i++)
		if (events[i].kind == SOURCE_ATTEMPT && !events[i].admitted)
			distinct_add(&s->deferred, source_fleet_key(s->table, events[i].address));
	if (s->watch)
		s->watch(s->watch_context, events, count, now_us);
	return true;
}

void sources_watch(struct sources *s, sources_watcher *watch, void *context)
{
	s->watch = watch;
	s->watch_context = context;
}

/* Looks once a second for an address that stands for many clients. Counts and logs it once a
 * minute. */
static void look_for_shared(struct sources *s, uint64_t now_us)
{
	char text[INET6_ADDRSTRLEN], detail[INET6_ADDRSTRLEN + 80];
	struct in6_addr address;

	if (now_us < s->looked_us + US_PER_S)
		return;
	s->looked_us = now_us;
	source_shared(s->table, &s->shared);
	if (!s->shared.known || (s->found_us && now_us < s->found_us + SHARED_EVERY_US))
		return;
	s->found_us = now_us;
	s->shared_last = s->shared;
	memcpy(&address, s->shared.address, sizeof(address));
	snprintf(detail, sizeof(detail), "%s%s, %.0f %% of the connections",
		 address_print(&address, text), s->shared.is_private ? " (private)" : "",
		 100 * s->shared.share);
	faultlog_note(&s->faultlog, &s->faults, FAULT_SHARED_ADDRESS, now_us, detail);
}

void sources_plan(struct sources *s, const struct engine *engine, const struct load *load,
		  uint64_t now_us, uint64_t realtime_us, struct plan *plan)
{
	struct source_input in;

	if (!s->table)
		return;
	source_input_from(engine, load, now_us, realtime_us, &in);
	source_plan(s->table, &in, plan);
	source_stats(s->table, &s->stats);
	s->stats_known = true;
	look_for_shared(s, now_us);
}

const struct source_shared *sources_shared(const struct sources *s)
{
	return &s->shared;
}

const struct source_shared *sources_shared_last(const struct sources *s)
{
	return &s->shared_last;
}

const struct faults *sources_faults(const struct sources *s)
{
	return &s->faults;
}

struct source_table *sources_table(const struct sources *s)
{
	return s->table;
}

const struct source_stats *sources_stats(const struct sources *s)
{
	return s->stats_known ? &s->stats : NULL;
}

const struct distinct *sources_deferred(const struct sources *s)
{
	return &s->deferred;
}

void sources_deferred_taken(struct sources *s)
{
	memset(&s->deferred, 0, sizeof(s->deferred));
}

int sources_error(const struct sources *s)
{
	return s->file ? sourcefile_error(s->file) : 0;
}

/* ---- for people ----------------------------------------------------------------------------- */

bool sources_snapshot(const struct sources *s, const struct in6_addr *address,
		      const struct plan *plan, struct source_snapshot *ret)
{
	uint64_t now_us = clock_monotonic_us();

	if (!s->table)
		return false;
	source_explain(s->table, address->s6_addr, now_us, &ret->view);
	ret->admitted_in_s = source_admitted_in_s(s->table, address->s6_addr, plan, 0, now_us);
	return true;
}

unsigned sources_list(const struct sources *s, enum source_sort sort, const struct plan *plan,
		      struct source_snapshot *ret_list, unsigned most)
{
	uint64_t now_us = clock_monotonic_us();
	_cleanup_free_ struct source_view *views = s->table ? calloc(most, sizeof(*views)) : NULL;
	unsigned count;

	if (!views)
		return 0;
	count = source_list(s->table, sort, now_us, views, most);
	for (unsigned i = 0; i < count; i++) {
		ret_list[i].view = views[i];
		ret_list[i].admitted_in_s =
			source_admitted_in_s(s->table, views[i].address, plan, 0, now_us);
	}
	return count;
}
