#include "publish/journal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

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
	if (!before->foreign && now->foreign)
		log_event(
			LOG_LEVEL_WARNING, JOURNAL_FOREIGN_ID, NULL,
			"pressure %.2f on %s is not mail's: refusing mail would not lower it, so mail flows; "
			"look for the neighbour, or give the mail server a larger CPUWeight= or IOWeight=",
			now->pressure.combined,
			now->pressure.driver < RESOURCE__COUNT ? resource_name(now->pressure.driver)
							       : "nothing known");
}

void journal_sensors(const struct sensor_status *before, const struct sensor_status *now)
{
	char fields[96];

	if (!before->name || strcmp(before->name, now->name) != 0 || before->state == now->state)
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
