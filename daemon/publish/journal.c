#include "publish/journal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "publish/foreign.h"

static enum log_level urgency(enum level_number level)
{
	if (level >= LEVEL_SEVERE)
		return LOG_LEVEL_ERROR;
	return level >= LEVEL_SHEDDING ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE;
}

static void level_changed(const struct engine_view *before, const struct engine_view *now)
{
	const struct pressure *p = &now->pressure;
	const char *signal = p->driver_signal < SIGNAL__COUNT ? signal_info[p->driver_signal].name
							      : "nothing known";
	const char *resource = p->driver < RESOURCE__COUNT ? resource_name(p->driver) : "none";
	char fields[320];

	snprintf(
		fields, sizeof(fields),
		"PENSTOCK_LEVEL=%d\nPENSTOCK_LEVEL_NAME=%s\nPENSTOCK_LEVEL_BEFORE=%d\nPENSTOCK_PRESSURE=%.3f\n"
		"PENSTOCK_RESOURCE=%s\nPENSTOCK_SIGNAL=%s\nPENSTOCK_ADMIT_RATIO=%.3f",
		now->level.number, level_name(now->level.number), before->level.number, p->combined,
		resource, signal, now->admit_ratio);
	log_event(
		urgency(now->level.number), JOURNAL_LEVEL_ID, fields,
		"level %s (was %s): pressure %.2f driven by %s (%s), %.0f %% of connections admitted%s",
		level_name(now->level.number), level_name(before->level.number), p->combined,
		resource, signal, now->admit_ratio * 100,
		now->mode == PLAN_OBSERVE ? "; observe mode: nothing is refused" : "");
}

static void state_changed(const struct engine_view *before, const struct engine_view *now)
{
	char fields[256];

	snprintf(fields, sizeof(fields), "PENSTOCK_STATE=%s\nPENSTOCK_STATE_BEFORE=%s",
		 engine_state_name(now->state), engine_state_name(before->state));
	log_event(
		now->state == STATE_BLIND ? LOG_LEVEL_ERROR : LOG_LEVEL_NOTICE, JOURNAL_STATE_ID,
		fields, "%s (was %s)%s%s%s", engine_state_name(now->state),
		engine_state_name(before->state), now->order_reason[0] ? ": " : "",
		now->order_reason,
		now->state == STATE_BLIND
			? ": no sensor gives anything, everything is admitted; see penstockctl support"
			: "");
}

void journal_publish(const struct status *previous, const struct engine_view *now,
		     uint64_t realtime_us)
{
	const struct engine_view *before = &previous->view;

	if (before->level.number != now->level.number)
		level_changed(before, now);
	if (before->state != now->state)
		state_changed(before, now);
}

#define SAY_AGAIN_US (10 * US_PER_S * 60)
#define SAY_OTHER_US (10 * US_PER_S)
#define LEAK_WORTH_S (24 * 3600.0)

static void say_foreign(const struct engine_view *now, const struct neighbours *n,
			const struct neighbour *who)
{
	enum resource r = now->pressure.driver;
	char what[480] = "", advice[400] = "", fields[700];
	struct text w = TEXT_OF(what), a = TEXT_OF(advice);

	if (!who) {
		snprintf(fields, sizeof(fields), "PENSTOCK_RESOURCE=%s",
			 r < RESOURCE__COUNT ? resource_name(r) : "none");
		log_event(
			LOG_LEVEL_WARNING, JOURNAL_FOREIGN_ID, fields,
			"pressure %.2f on %s is not mail's: refusing mail would not lower it, so mail flows; "
			"look for the neighbour, or give the mail server a larger CPUWeight= or IOWeight=",
			now->pressure.combined,
			r < RESOURCE__COUNT ? resource_name(r) : "nothing known");
		return;
	}
	foreign_describe(r, who, &w);
	foreign_advise(r, who, n, &a);
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_RESOURCE=%s\nPENSTOCK_CGROUP=%s\nPENSTOCK_UNIT=%s\nPENSTOCK_SHARE=%.3f",
		 resource_name(r), who->path, who->unit, who->share);
	log_event(
		LOG_LEVEL_WARNING, JOURNAL_FOREIGN_ID, fields,
		"pressure %.2f on %s is not mail's: refusing mail would not lower it, so mail flows; %s; %s",
		now->pressure.combined, resource_name(r), what, advice);
}

static void say_leak(const struct leak *leak)
{
	char what[480] = "", fields[600];
	struct text w = TEXT_OF(what);

	foreign_describe_leak(leak, &w);
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_CGROUP=%s\nPENSTOCK_UNIT=%s\nPENSTOCK_GROWTH_BYTES_PER_S=%.0f\n"
		 "PENSTOCK_LEFT_S=%.0f",
		 leak->path, leak->unit, leak->growth_per_s, leak->left_s);
	log_event(LOG_LEVEL_WARNING, JOURNAL_LEAK_ID, fields, "memory grows without end: %s", what);
}

void journal_neighbours(struct status *s, const struct engine_view *now, const struct neighbours *n,
			uint64_t now_us)
{
	const struct neighbour *who = foreign_who(now, n);
	const char *unit = who ? who->unit : "";
	bool began = now->foreign && !s->view.foreign;

	if (now->foreign &&
	    (began || (unit[0] && strcmp(unit, s->foreign_said) != 0 &&
		       (!s->foreign_said[0] || now_us - s->foreign_said_us >= SAY_OTHER_US)))) {
		say_foreign(now, n, who);
		s->foreign_said_us = now_us;
		snprintf(s->foreign_said, sizeof(s->foreign_said), "%s", unit);
	}
	if (n->leak.known && n->leak.left_s < LEAK_WORTH_S &&
	    (s->leak_said_us == 0 || strcmp(n->leak.unit, s->leak_said) != 0 ||
	     now_us - s->leak_said_us >= SAY_AGAIN_US)) {
		say_leak(&n->leak);
		s->leak_said_us = now_us;
		snprintf(s->leak_said, sizeof(s->leak_said), "%s", n->leak.unit);
	}
}

void journal_sensor(enum sensor_state before, const struct sensor_status *now)
{
	char fields[96];

	if (before == now->state)
		return;
	snprintf(fields, sizeof(fields), "PENSTOCK_SENSOR=%s\nPENSTOCK_SENSOR_STATE=%s", now->name,
		 sensor_state_name(now->state));
	if (now->state == SENSOR_OK)
		log_event(LOG_LEVEL_NOTICE, JOURNAL_SENSOR_ID, fields, "sensor %s works again",
			  now->name);
	else
		log_event(LOG_LEVEL_WARNING, JOURNAL_SENSOR_ID, fields,
			  "sensor %s is %s: %s; the next best source is used, mail is not affected",
			  now->name, sensor_state_name(now->state), now->why);
}
