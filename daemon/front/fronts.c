#include "front/fronts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/retry.h"
#include "front/asked_helper.h"

/* A new front: one file, and its line here, or in ASKED_FRONT_TABLE if a mail server asks it. */
static const struct front_ops *const table[] = { &front_gate,
#define X(kind, name) &front_##name,
						 ASKED_FRONT_TABLE(X)
#undef X
};

struct row {
	const struct front_ops *ops;
	void *front; /* NULL: closed */
	struct counts counts;
	struct retry retry;
	uint32_t netns; /* as the front saw it last */
	bool netns_known;
};

struct fronts {
	const struct front_env *env;
	struct row row[ARRAY_SIZE(table)];
};

static void look(struct row *row)
{
	struct front_state state = { 0 };

	row->ops->state(row->front, &state);
	row->netns = state.netns;
	row->netns_known = state.netns_known;
}

static void open_row(struct fronts *f, struct row *row, uint64_t now_us)
{
	int r;

	if (!row->ops->wanted(row->ops, f->env->config) || !retry_due(&row->retry, now_us))
		return;
	r = row->ops->open(row->ops, f->env, &row->counts, &row->front, row->retry.why);
	retry_result(&row->retry, row->ops->title, r, now_us);
	if (r == 0)
		look(row);
}

static void close_row(struct row *row, enum front_close how)
{
	if (!row->front)
		return;
	look(row);
	row->ops->close(row->front, how);
	row->front = NULL;
	retry_reset(&row->retry);
}

int fronts_open(struct front_env *env, struct fronts **ret_fronts)
{
	struct fronts *f = calloc(1, sizeof(*f));

	env->asked = f ? asked_helper_open(env->base) : NULL;
	if (!env->asked) {
		free(f);
		return -ENOMEM;
	}
	f->env = env;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		f->row[i].ops = table[i];
		counts_init(&f->row[i].counts, table[i]->name, 0);
		config_service_ids(env->config, f->row[i].counts.service_id);
		if (table[i]->forget && !table[i]->wanted(table[i], env->config))
			table[i]->forget();
	}
	*ret_fronts = f;
	return 0;
}

void fronts_close(struct fronts *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (f->row[i].front && table[i]->drain)
			table[i]->drain(f->row[i].front);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		close_row(&f->row[i], FRONT_RESTART);
	asked_helper_close(f->env->asked);
	free(f);
}

void fronts_configure(struct fronts *f, const struct config *before, uint64_t now_us)
{
	uint64_t service_id[PLAN_SERVICES];

	config_service_ids(f->env->config, service_id);
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct row *row = &f->row[i];

		if (row->front && (!row->ops->wanted(row->ops, f->env->config) ||
				   !row->ops->reconfigure(row->front, before))) {
			close_row(row, FRONT_STOP);
			row->netns_known = false;
		}
		counts_arrange(&row->counts, service_id);
		if (!row->front)
			retry_reset(&row->retry);
	}
	/* Close all before opening one: two fronts may have exchanged their addresses. */
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		open_row(f, &f->row[i], now_us);
}

void fronts_poll(struct fronts *f, uint64_t now_us, struct load *load)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (f->row[i].front)
			f->row[i].ops->poll(f->row[i].front, now_us, load);
}

void fronts_push(struct fronts *f, const struct plan *plan, const struct load *load,
		 uint64_t now_us)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		struct row *row = &f->row[i];

		open_row(f, row, now_us);
		if (row->front && row->ops->push && !row->ops->push(row->front, plan, load, now_us))
			close_row(row, FRONT_STOP);
	}
	asked_helper_step(f->env->asked, now_us);
}

void fronts_refused(struct fronts *f, const struct front_client *client)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (f->row[i].front && f->row[i].ops->refused)
			f->row[i].ops->refused(f->row[i].front, client);
}

bool fronts_netns(const struct fronts *f, uint32_t *ret_netns)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (!f->row[i].netns_known)
			continue;
		*ret_netns = f->row[i].netns;
		return true;
	}
	return false;
}

unsigned fronts_count(const struct fronts *f)
{
	return ARRAY_SIZE(table);
}

bool fronts_view(const struct fronts *f, unsigned index, struct fronts_view *ret)
{
	const struct row *row = &f->row[index];

	if (!row->ops->wanted(row->ops, f->env->config))
		return false;
	ret->counts = &row->counts;
	ret->state = (struct front_state){ 0 };
	if (row->front)
		row->ops->state(row->front, &ret->state);
	else
		snprintf(ret->state.why, sizeof(ret->state.why), "%.159s", row->retry.why);
	return true;
}
