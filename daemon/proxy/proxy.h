/* penstock-proxy: accepts SMTP connections, asks the plan, relays the admitted ones to the MTA and answers the others. A process
 * of its own, so that no crash or upgrade of the daemon touches a session. proxy.c owns the listener, the plan, the counts
 * and the order of life; session.c owns one connection. */
#ifndef PENSTOCK_PROXY_PROXY_H
#define PENSTOCK_PROXY_PROXY_H

#include <event2/event.h>

#include "config/config.h"
#include "proxy/countsfile.h"
#include "proxy/eventsfile.h"
#include "proxy/peers.h"
#include "proxy/planview.h"
#include "proxy/sourceview.h"
#include "refuse/refusals.h"

#define PROXY_SCRATCH 65536

struct session;

struct proxy {
	struct config config;
	const struct config_source *source;
	unsigned service; /* index */
	struct event_base *base;
	struct event *accept_event, *resume_event, *tick_event, *signals[3];
	int listen_fd, reserve_fd;
	struct planview plan;
	struct countsfile counts;
	struct eventsfile events;
	struct sourceview sources;
	struct peers peers; /* sessions in flight by address */
	struct plan_bucket bucket;
	struct refusals refusals;
	struct session *sessions; /* doubly linked, all of them */
	unsigned session_count, lingering;
	uint64_t ticked_us, busy_since_us, sources_us;
	bool draining;
	unsigned generation; /* of the files of counts and events */
	bool listener_is_kept; /* by the service manager, while no proxy runs: see handover.h */
	char scratch[PROXY_SCRATCH]; /* one read at a time */
};

/* 0, or -errno with a sentence in `why` (256). */
int proxy_open(const struct config *config, const struct config_source *source,
	       struct proxy **ret_proxy, char *why);
/* Until SIGTERM and the last session's end. */
int proxy_run(struct proxy *proxy);
void proxy_close(struct proxy *proxy);

/* When somebody cut the files of counts and events short: new ones, and what is in flight is counted anew. */
void proxy_mend_counts(struct proxy *proxy);

static inline struct counts_service *proxy_counts(struct proxy *proxy)
{
	return &proxy->counts.counts->service[proxy->service];
}

#endif
