#include "host/maintenance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/zone_file.h"
#include "core/message.h"
#include "host/orders.h"

#define SLACK_S 2 /* the two clocks may differ by so much at the end of a window */
#define DAY_BEFORE_S 86400
#define HOUR_BEFORE_S 3600

static const char *why_not(int r)
{
	if (r == -ENODATA)
		return "this host has no time zones. Install tzdata and reload penstockd, or write the window in UTC";
	if (r == -ENOENT)
		return "there is no such time zone. Correct the name and reload penstockd";
	return strerror(-r);
}

void maintenance_configure(struct maintenance *m, const struct config *config)
{
	m->usable = 0;
	m->until_s = 0; /* makes the next tick look again */
	memset(&m->view, 0, sizeof(m->view));
	m->view.windows = config->maintenance.windows;
	for (unsigned i = 0; i < config->maintenance.windows; i++) {
		const struct config_window *w = &config->maintenance.window[i];
		struct maintenance_window *to = &m->window[m->usable];
		int r = zone_file_load(w->when.zone, &to->zone);

		if (r == 0) {
			to->when = w->when;
			m->usable++;
			continue;
		}
		snprintf(m->view.why, sizeof(m->view.why), "%.60s: %s", w->words, why_not(r));
		log_warning(
			"Cannot obey the maintenance window %s: %s. Mail is admitted during it as at any other time.",
			w->words, why_not(r));
	}
}

static void format_time(int64_t at_s, char *buf, size_t size)
{
	unsigned month, day, of_day = (unsigned)(at_s % 86400);
	int year;

	zone_date(at_s / 86400, &year, &month, &day);
	snprintf(buf, size, "%04d-%02u-%02uT%02u:%02u:%02uZ", year, month, day, of_day / 3600,
		 of_day / 60 % 60, of_day % 60);
}

static void say(const struct maintenance_span *span, int64_t left_s)
{
	char begin[40], end[40], fields[320];

	format_time(span->begin_s, begin, sizeof(begin));
	format_time(span->end_s, end, sizeof(end));
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_BEGIN=%s\nPENSTOCK_END=%s\nPENSTOCK_ORDER_REASON=%s", begin, end,
		 span->text);
	log_event(
		LOG_LEVEL_NOTICE, MESSAGE_MAINTENANCE, fields,
		"Maintenance begins in %lld %s, at %s, and ends at %s%s%s. New connections are deferred meanwhile.",
		(long long)(left_s > HOUR_BEFORE_S ? (left_s + 1800) / 3600 : (left_s + 59) / 60),
		left_s > HOUR_BEFORE_S ? "h" : "min", begin, end, span->text[0] ? ": " : "",
		span->text);
}

/* Announces a window a day and an hour before it begins; at once if less time is left when it is
 * first seen. */
static void announce(struct maintenance *m, int64_t now_s)
{
	const struct maintenance_span *next = &m->view.next;
	int64_t left_s = next->begin_s - now_s;
	unsigned due = left_s <= HOUR_BEFORE_S ? 2 : left_s <= DAY_BEFORE_S ? 1 : 0;

	if (!next->begin_s)
		return;
	if (next->begin_s != m->announced_s)
		m->announced = 0;
	m->announced_s = next->begin_s;
	if (due > m->announced)
		say(next, left_s);
	if (due > m->announced)
		m->announced = due;
}

/* Makes the order follow the window. They differ when a window begins, after a drain, and after a
 * jump of the clock. */
static void follow(struct maintenance *m, uint64_t now_us, int64_t now_s, uint64_t realtime_us)
{
	const struct maintenance_span *now = &m->view.now;
	struct engine *engine = m->orders->engine;
	enum engine_state state = engine->view.state;
	uint64_t until_us;
	bool due = now->end_s && now->end_s != m->orders->skipped_s;

	m->orders->window_end_s = now->end_s;
	if (state == STATE_DRAINING || (!due && state != STATE_MAINTENANCE))
		return;
	if (!due) {
		orders_maintenance(m->orders, 0, NULL);
		return;
	}
	until_us = now_us + (uint64_t)now->end_s * US_PER_S - realtime_us;
	if (state == STATE_MAINTENANCE && engine->order_until_us + SLACK_S * US_PER_S > until_us &&
	    engine->order_until_us < until_us + SLACK_S * US_PER_S)
		return;
	if (state != STATE_MAINTENANCE && now->end_s - now_s <= SLACK_S)
		return; /* it has ended, by the other clock */
	orders_maintenance(m->orders, until_us, now->text[0] ? now->text : NULL);
}

void maintenance_tick(struct maintenance *m, uint64_t now_us, uint64_t realtime_us)
{
	int64_t now_s = (int64_t)(realtime_us / US_PER_S);

	if (!m->view.windows && !m->orders->window_end_s)
		return;
	if (now_s < m->looked_s || now_s >= m->until_s) {
		m->until_s = maintenance_look(m->window, m->usable, now_s, &m->view);
		m->looked_s = now_s;
	}
	follow(m, now_us, now_s, realtime_us);
	announce(m, now_s);
}
