#include "capture.h"

#include <stdio.h>
#include <string.h>

#include "publish/journal.h"

static void add_front(struct status *s, const struct counts *c, bool up, const char *why,
		      uint64_t pid)
{
	struct status_front *f;

	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&s->total[i], &c->service[i]);
	for (int i = 0; i < COUNTS_SLOTS; i++)
		s->decisions[i] += c->decisions[i];
	s->decision_sum_ns += c->decision_sum_ns;
	s->malformed += c->malformed;
	if (s->fronts == STATUS_FRONTS)
		return;
	f = &s->front[s->fronts++];
	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", c->front);
	snprintf(f->why, sizeof(f->why), "%s", why);
	f->up = up;
	f->pid = pid;
	f->malformed = c->malformed;
	f->errors = c->errors;
	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&f->sum, &c->service[i]);
}

static bool has_asked(const struct counts *c)
{
	for (int i = 0; i < PLAN_SERVICES; i++)
		if (c->service[i].offered)
			return true;
	return false;
}

void capture_front(struct status *s, const struct counts *counts, bool up, const char *why)
{
	add_front(s, counts, up, why, 0);
}

void capture_fronts(struct status *s, const struct remote *remote)
{
	s->fronts = 0;
	memset(s->total, 0, sizeof(s->total));
	memset(s->decisions, 0, sizeof(s->decisions));
	s->decision_sum_ns = s->malformed = 0;
	if (!remote)
		return;
	for (unsigned i = 0; i < remote_count(remote); i++) {
		const struct remote_front *f = remote_front(remote, i);

		add_front(s, &f->counts, f->fresh,
			  f->fresh ? "" : "no heartbeat: it hangs or is stopped", f->counts.pid);
	}
	if (has_asked(remote_retired(remote)))
		add_front(s, remote_retired(remote), false, "stopped", 0);
}

void note_sensors(struct status *s, const struct registry *registry)
{
	unsigned count = registry ? registry_count(registry) : 0;

	for (unsigned i = 0; i < count && i < STATUS_SENSORS; i++) {
		const struct sensor_status *now = registry_status(registry, i);

		if (s->tick)
			journal_sensor(s->sensor_state[i], now);
		s->sensor_state[i] = now->state;
	}
}

void capture_sensors(struct status *s, const struct registry *registry)
{
	unsigned count = registry ? registry_count(registry) : 0;

	s->sensors = 0;
	if (registry)
		s->neighbours = *registry_neighbours(registry);
	else
		memset(&s->neighbours, 0, sizeof(s->neighbours));
	if (registry)
		s->disks = *registry_disks(registry);
	else
		s->disks.count = 0;
	for (unsigned i = 0; i < count && i < STATUS_SENSORS; i++) {
		const struct sensor_status *now = registry_status(registry, i);

		s->sensor[s->sensors++] = *now;
	}
}

void capture_pace(struct status *s, const struct pace *pace)
{
	const struct pace_view *view;

	if (!pace)
		return;
	view = pace_view(pace);
	memcpy(s->lateness, view->lateness, sizeof(s->lateness));
	s->lateness_sum_us = view->lateness_sum_us;
	s->ticks_late = view->late;
	s->ticks_early = view->early;
	memcpy(s->triggers, view->triggers, sizeof(s->triggers));
	memcpy(s->scheduling, view->scheduling, sizeof(s->scheduling));
}
