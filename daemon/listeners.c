/* The daemon's own listeners: opened at start, and tried again while their addresses are not to be had. Mail never waits for one. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon_parts.h"

#define RETRY_US (5 * US_PER_S)

static void listener_result(struct listener *l, int r, uint64_t now_us)
{
	bool first = l->retry_us == 0;

	l->up = r == 0;
	l->retry_us = r == 0 ? 0 : now_us + RETRY_US;
	if (r < 0 && first)
		log_error("%s is not served: %s; trying again every %d s, mail is not affected",
			  l->name, l->why[0] ? l->why : strerror(-r), (int)(RETRY_US / US_PER_S));
	else if (r == 0 && !first)
		log_notice("%s is served now", l->name);
}

/* Opens what is wanted and not open, when its time has come. */
void daemon_open_listeners(struct daemon *d, uint64_t now_us)
{
	struct listener *l = &d->policy_listener;

	if (l->wanted && !d->policy && now_us >= l->retry_us) {
		l->why[0] = 0;
		listener_result(
			l, front_policy.open(&d->policy_env, &d->config.policy, &d->policy, l->why),
			now_us);
	}
	l = &d->gating.listener;
	if (l->wanted && !d->gating.gate && now_us >= l->retry_us) {
		l->why[0] = 0;
		listener_result(l, daemon_open_gate(d, l->why), now_us);
	}
	l = &d->control_listener;
	if (l->wanted && !d->control && now_us >= l->retry_us) {
		l->why[0] = 0;
		listener_result(l,
				control_open(d->base, &d->config, &daemon_control_ops, d,
					     &d->control, l->why),
				now_us);
	}
	l = &d->http_listener;
	if (l->wanted && !d->http && now_us >= l->retry_us) {
		l->why[0] = 0;
		listener_result(
			l, http_open(d->base, &d->config, &daemon_control_ops, d, &d->http, l->why),
			now_us);
	}
}

void daemon_close_policy(struct daemon *d)
{
	if (d->policy)
		front_policy.close(d->policy);
	d->policy = NULL;
}

void daemon_want_listeners(struct daemon *d)
{
	d->policy_listener.name = "the policy service";
	d->policy_listener.wanted = d->config.policy.enabled;
	d->gating.listener.name = "the gate";
	d->gating.listener.wanted = d->config.gate.enabled;
	d->control_listener.name = "the control socket";
	d->control_listener.wanted = true;
	d->http_listener.name = "HTTP";
	d->http_listener.wanted = d->config.http_listen.kind != ENDPOINT_NONE;
	d->policy_env.base = d->base;
	d->policy_env.config = &d->config;
	d->policy_env.counts = &d->policy_counts;
	d->policy_env.ask = daemon_ask;
	d->policy_env.context = d;
}
