#include "publish/journal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/text.h"
#include "core/message.h"
#include "publish/neighbour_words.h"
#include "publish/words.h"

static enum log_level urgency(enum level_number level)
{
	if (level >= LEVEL_SEVERE)
		return LOG_LEVEL_ERROR;
	return level >= LEVEL_SHEDDING ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE;
}

static const char *driver_name(const struct pressure *p)
{
	return p->driver < RESOURCE__COUNT ? resource_name(p->driver) : "none";
}

static const char *signal_name(const struct pressure *p)
{
	return p->driver_signal < SIGNAL__COUNT ? signal_info[p->driver_signal].name
						: "nothing known";
}

void journal_tell_level(enum level_number before, const struct engine_view *now,
			enum reason by_front, const struct sample *sample,
			const struct neighbours *n, struct text *out)
{
	const struct neighbour *who;
	bool more;

	text_append(out, "The level is %s (was %s)", level_name(now->level.number),
		    level_name(before));
	if (by_front != REASON_NONE && now->level.number >= LEVEL_SHEDDING)
		text_append(out, ", and not for load: %s", reason_sentence(by_front));
	else
		text_append(out, ": pressure %.2f, driven by %s (%s)", now->pressure.combined,
			    driver_name(&now->pressure), signal_name(&now->pressure));
	text_append(out, ". %.0f %% of the connections are admitted", now->admit_ratio * 100);
	/* A server that gets no CPU time is slow, and not to blame. */
	who = n && now->level.number > before ? neighbour_starves(now, sample, n, &more) : NULL;
	if (who) {
		text_append(out, "; ");
		neighbour_compare(sample, who, out);
	}
	if (now->mode == PLAN_OBSERVE)
		text_append(out, "; in observe mode nothing is refused for load");
	text_append(out, ".");
}

static void level_changed(enum level_number before, const struct engine_view *now,
			  enum reason by_front, const struct sample *sample,
			  const struct neighbours *n)
{
	char fields[320], line[480] = "";
	struct text text = TEXT_OF(line);

	journal_tell_level(before, now, by_front, sample, n, &text);
	snprintf(
		fields, sizeof(fields),
		"PENSTOCK_LEVEL=%d\nPENSTOCK_LEVEL_NAME=%s\nPENSTOCK_LEVEL_BEFORE=%d\nPENSTOCK_PRESSURE=%.3f\n"
		"PENSTOCK_RESOURCE=%s\nPENSTOCK_SIGNAL=%s\nPENSTOCK_ADMIT_RATIO=%.3f",
		now->level.number, level_name(now->level.number), before, now->pressure.combined,
		driver_name(&now->pressure), signal_name(&now->pressure), now->admit_ratio);
	log_event(urgency(now->level.number), MESSAGE_LEVEL, fields, "%s", line);
}

static void state_changed(enum engine_state before, const struct engine_view *now)
{
	char fields[256];

	snprintf(fields, sizeof(fields), "PENSTOCK_STATE=%s\nPENSTOCK_STATE_BEFORE=%s",
		 engine_state_name(now->state), engine_state_name(before));
	if (now->state == STATE_BLIND)
		log_event(
			LOG_LEVEL_ERROR, MESSAGE_STATE, fields,
			"The state is blind (was %s): no sensor gives a value. Nothing is deferred for load. See penstockctl support.",
			engine_state_name(before));
	else
		log_event(LOG_LEVEL_NOTICE, MESSAGE_STATE, fields, "The state is %s (was %s)%s%s.",
			  engine_state_name(now->state), engine_state_name(before),
			  now->order_reason[0] ? ": " : "", now->order_reason);
}

#define SAY_AGAIN_US (10 * US_PER_S * 60)
#define SAY_OTHER_US (10 * US_PER_S)
#define PROXY_DOWN_US (5 * US_PER_S)
#define LEAK_WORTH_S (24 * 3600.0)

static void say_foreign(const struct engine_view *now, const struct neighbours *n,
			const struct neighbour *who)
{
	enum resource r = now->pressure.driver;
	char what[480] = "", advice[400] = "", fields[700];
	struct text w = TEXT_OF(what), a = TEXT_OF(advice);

	if (!who) {
		neighbour_search(r, &a);
		snprintf(fields, sizeof(fields), "PENSTOCK_RESOURCE=%s",
			 r < RESOURCE__COUNT ? resource_name(r) : "none");
		log_event(
			LOG_LEVEL_WARNING, MESSAGE_NEIGHBOUR, fields,
			"The pressure %.2f on %s is not mail's: refusing mail would not lower it. Mail flows. What to do: %s.",
			now->pressure.combined,
			r < RESOURCE__COUNT ? resource_name(r) : "nothing known", advice);
		return;
	}
	neighbour_describe(r, who, &w);
	neighbour_advise(r, who, n, &a);
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_RESOURCE=%s\nPENSTOCK_CGROUP=%s\nPENSTOCK_UNIT=%s\nPENSTOCK_SHARE=%.3f",
		 resource_name(r), who->path, who->unit, who->share);
	log_event(
		LOG_LEVEL_WARNING, MESSAGE_NEIGHBOUR, fields,
		"The pressure %.2f on %s is not mail's: refusing mail would not lower it. Mail flows. Whose it is: %s. What to do: %s.",
		now->pressure.combined, resource_name(r), what, advice);
}

static void say_leak(const struct leak *leak)
{
	char what[480] = "", fields[600];
	struct text w = TEXT_OF(what);

	neighbour_describe_leak(leak, &w);
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_CGROUP=%s\nPENSTOCK_UNIT=%s\nPENSTOCK_GROWTH_BYTES_PER_S=%.0f\n"
		 "PENSTOCK_LEFT_S=%.0f",
		 leak->path, leak->unit, leak->growth_per_s, leak->left_s);
	log_event(
		LOG_LEVEL_WARNING, MESSAGE_LEAK, fields,
		"There is memory that grows without end: %s. Restart that service at a quiet hour, and set MemoryHigh= for it.",
		what);
}

bool journal_tells_neighbour(const struct journal *j, bool foreign, const char *unit,
			     uint64_t now_us)
{
	uint64_t since_us = now_us - j->neighbour_us;

	if (!foreign || !j->neighbour_us)
		return foreign;
	if (unit[0] && strcmp(unit, j->neighbour_unit) != 0)
		return !j->neighbour_unit[0] || since_us >= SAY_OTHER_US;
	return !j->foreign && since_us >= SAY_AGAIN_US;
}

static void step_neighbours(struct journal *j, const struct engine_view *now,
			    const struct neighbours *n, uint64_t now_us)
{
	const struct neighbour *who = neighbour_who(now, n);
	const char *unit = who ? who->unit : "";

	if (journal_tells_neighbour(j, now->foreign, unit, now_us)) {
		say_foreign(now, n, who);
		j->neighbour_us = now_us;
		snprintf(j->neighbour_unit, sizeof(j->neighbour_unit), "%s", unit);
	}
	if (n->leak.known && n->leak.left_s < LEAK_WORTH_S &&
	    (j->leak_us == 0 || strcmp(n->leak.unit, j->leak_unit) != 0 ||
	     now_us - j->leak_us >= SAY_AGAIN_US)) {
		say_leak(&n->leak);
		j->leak_us = now_us;
		snprintf(j->leak_unit, sizeof(j->leak_unit), "%s", n->leak.unit);
	}
}

static void sensor_changed(const struct sensor_status *now)
{
	char fields[96];

	snprintf(fields, sizeof(fields), "PENSTOCK_SENSOR=%s\nPENSTOCK_SENSOR_STATE=%s", now->name,
		 sensor_state_name(now->state));
	if (now->state == SENSOR_OK)
		log_event(LOG_LEVEL_NOTICE, MESSAGE_SENSOR, fields, "The sensor %s works again.",
			  now->name);
	else
		log_event(
			LOG_LEVEL_WARNING, MESSAGE_SENSOR, fields,
			"The sensor %s is %s: %s. The next best source is used, and mail is not affected.",
			now->name, sensor_state_name(now->state), now->why);
}

static void step_sensors(struct journal *j, const struct registry *registry)
{
	unsigned count = registry_count(registry);

	for (unsigned i = 0; i < count && i < STATUS_SENSORS; i++) {
		const struct sensor_status *now = registry_status(registry, i);

		if (j->begun && j->sensor[i] != now->state)
			sensor_changed(now);
		j->sensor[i] = now->state;
	}
}

/* The alarms of the promise, when they begin and when they end. */
static void sources_changed(const struct source_stats *before, const struct source_stats *now)
{
	char fields[160], longest[DURATION_PRINTED];

	if (before->infeasible == now->infeasible && before->day == now->day)
		return;
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_OLDEST_DEFERRAL_S=%llu\nPENSTOCK_WAITING=%llu\nPENSTOCK_BROKEN=%llu",
		 (unsigned long long)now->oldest_s, (unsigned long long)now->deferred,
		 (unsigned long long)now->broken);
	if (!before->infeasible && now->infeasible)
		log_event(
			LOG_LEVEL_ERROR, MESSAGE_INFEASIBLE, fields,
			"Cannot keep objective.longest_deferral and longest_attempts: more sources are promised a place than there is capacity for. "
			"%llu wait, the longest for %s. Take load off, add capacity, or raise the objective.",
			(unsigned long long)now->deferred,
			duration_print((double)now->oldest_s, longest));
	else if (before->infeasible && !now->infeasible)
		log_event(
			LOG_LEVEL_NOTICE, MESSAGE_INFEASIBLE, fields,
			"objective.longest_deferral can be kept again: those that are promised a place get in");
	if (!before->day && now->day)
		log_event(
			LOG_LEVEL_ERROR, MESSAGE_DAY, fields,
			"A source has waited for 24 h: senders begin to give mail up. See penstockctl sources --sort age.");
}

bool journal_tells_proxy(struct journal *j, bool up, uint64_t now_us)
{
	bool told = j->proxy_down_told;

	if (up) {
		j->proxy_down_us = 0;
		j->proxy_down_told = false;
		return told;
	}
	if (j->proxy_down_us == 0)
		j->proxy_down_us = now_us;
	j->proxy_down_told |= now_us - j->proxy_down_us >= PROXY_DOWN_US;
	return j->proxy_down_told && !told;
}

void journal_proxy(struct journal *j, bool up, const char *why, uint64_t now_us)
{
	if (!journal_tells_proxy(j, up, now_us))
		return;
	if (up)
		log_event(LOG_LEVEL_NOTICE, MESSAGE_FRONT, "PENSTOCK_FRONT=proxy",
			  "The front proxy is up again.");
	else
		log_event(LOG_LEVEL_ERROR, MESSAGE_FRONT, "PENSTOCK_FRONT=proxy",
			  "The front proxy is down: %s.", why);
}

void journal_step(struct journal *j, const struct engine_view *now, enum reason by_front,
		  const struct sample *sample, const struct registry *registry,
		  const struct source_stats *sources, uint64_t now_us, uint64_t realtime_us)
{
	if (j->level != now->level.number)
		level_changed(j->level, now, by_front, sample,
			      registry ? registry_neighbours(registry) : NULL);
	if (j->state != now->state)
		state_changed(j->state, now);
	if (j->level != now->level.number || j->level_since_realtime_us == 0)
		j->level_since_realtime_us = realtime_us;
	if (j->headline != headline_kind(now) || j->headline_since_us == 0)
		j->headline_since_us = realtime_us;
	j->headline = headline_kind(now);
	if (headline_defers(now))
		j->deferred_us = realtime_us;
	if (j->customers != public_state(now) || j->public_since_us == 0)
		j->public_since_us = realtime_us;
	j->customers = public_state(now);
	if (registry)
		step_neighbours(j, now, registry_neighbours(registry), now_us);
	if (sources && j->begun)
		sources_changed(&j->sources, sources);
	if (sources)
		j->sources = *sources;
	if (registry)
		step_sensors(j, registry);
	j->level = now->level.number;
	j->state = now->state;
	j->foreign = now->foreign;
	j->begun = true;
}
