#include "publish/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "publish/words.h"

static bool named_before(const struct status *status, unsigned front)
{
	for (unsigned i = 0; i < front; i++)
		if (strcmp(status->front[i].name, status->front[front].name) == 0)
			return true;
	return false;
}

static void add(struct status_front *sum, const struct status_front *f)
{
	counts_add(&sum->sum, &f->sum);
	sum->malformed += f->malformed;
	sum->errors += f->errors;
	if (f->up && !sum->up) {
		sum->up = true;
		sum->pid = f->pid;
		sum->why[0] = 0;
	}
}

#define HIDDEN "another control group"

static void hide(char *unit, size_t unit_size, char *path, size_t path_size)
{
	snprintf(unit, unit_size, "%s", HIDDEN);
	snprintf(path, path_size, "/");
}

void status_hide_neighbours(const struct status *status, struct status *ret)
{
	*ret = *status;
	ret->config.origin = (struct config_origin){ 0 };
	for (int i = 0; i < NEIGHBOUR_RESOURCES; i++) {
		struct neighbour *who = &ret->neighbours.who[i];

		/* "Outside" is no name of anything. */
		if (who->known && strcmp(who->unit, NEIGHBOUR_OUTSIDE) != 0)
			hide(who->unit, sizeof(who->unit), who->path, sizeof(who->path));
	}
	if (ret->neighbours.leak.known && !ret->neighbours.leak.mail)
		hide(ret->neighbours.leak.unit, sizeof(ret->neighbours.leak.unit),
		     ret->neighbours.leak.path, sizeof(ret->neighbours.leak.path));
	for (unsigned i = 0; i < ret->filters.count; i++) {
		struct filter *f = &ret->filters.each[i];

		snprintf(f->listener, sizeof(f->listener), "a filter on this host");
		f->unit[0] = 0;
	}
	ret->shared = ret->shared_last = (struct source_shared){ 0 };
}

uint64_t status_would_hold(const struct status *status)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < status->config.services; i++)
		sum += status->total[i].would_hold;
	return sum;
}

double status_window(const struct status *status)
{
	double sum = -1;

	for (unsigned i = 0; i < status->config.services; i++) {
		const struct window_view *w = &status->view.window[i];

		if (w->law != LAW_OPEN && status->config.service[i].shed != PLAN_SHED_NO)
			sum = fmax(0, sum) + words_window(w->window);
	}
	return sum;
}

unsigned status_front_named(const struct status *status, unsigned index,
			    struct status_front *ret_front)
{
	unsigned names = 0;

	for (unsigned i = 0; i < status->fronts; i++) {
		if (named_before(status, i))
			continue;
		if (names++ != index)
			continue;
		*ret_front = status->front[i];
		for (unsigned j = i + 1; j < status->fronts; j++)
			if (strcmp(status->front[j].name, ret_front->name) == 0)
				add(ret_front, &status->front[j]);
	}
	return names;
}
