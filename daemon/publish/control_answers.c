/* What penstockd answers to the processes that parse the calls of control.sock. */
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "publish/control_wire.h"
#include "publish/history_tell.h"
#include "publish/json.h"
#include "publish/json_sources.h"

/* Answers may take this share of a CPU, and so much at once; then the loop has other work. */
#define ADMIN_SHARE 0.5
#define ADMIN_BURST_US 50000
#define USERS_SHARE 0.05
#define USERS_BURST_US 20000
#define EXPLAIN_MAX 32768
#define HISTORY_MAX 720 /* records in one answer */

const struct status *control_snapshot(struct control_desk *d)
{
	const struct status *s = d->ops->status(d->context);

	if (d->privileged)
		return s;
	status_hide_neighbours(s, &d->shown);
	return &d->shown;
}

/* ---- documents ------------------------------------------------------------------------------ */

static int put(json_t *parameters, struct evbuffer *text)
{
	_cleanup_free_ char *dumped =
		parameters ? json_dumps(parameters, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;

	json_decref(parameters);
	return dumped && evbuffer_add(text, dumped, strlen(dumped)) == 0 ? 0 : -ENOMEM;
}

static int put_explanation(struct control_desk *d, const struct control_question *q,
			   struct evbuffer *text)
{
	_cleanup_free_ char *buffer = malloc(EXPLAIN_MAX);
	struct text out = { .data = buffer, .size = EXPLAIN_MAX };

	if (!buffer)
		return -ENOMEM;
	d->ops->explain(d->context, q->explain.known ? &q->explain.address : NULL, d->privileged,
			&out);
	return put(json_pack("{s:s#}", "text", buffer, (int)out.length), text);
}

static int put_history(struct control_desk *d, const struct control_question *q,
		       struct evbuffer *text)
{
	_cleanup_free_ struct history_record *records = calloc(HISTORY_MAX, sizeof(*records));
	uint64_t next_s = clock_realtime_us() / US_PER_S + 1;
	uint64_t until_s = q->history.until_s < next_s ? q->history.until_s : next_s;
	size_t count = 0;

	if (!records)
		return -ENOMEM;
	if (q->history.since_s < until_s)
		count = d->ops->history(d->context, q->history.since_s, until_s, q->history.step_s,
					records, HISTORY_MAX);
	return put(json_pack("{s:o}", "history", history_json(records, count, d->privileged)),
		   text);
}

static int put_sources(struct control_desk *d, const struct control_question *q,
		       struct evbuffer *text)
{
	_cleanup_free_ struct source_snapshot *list = calloc(q->sources.most, sizeof(*list));
	unsigned count;

	if (!list)
		return -ENOMEM;
	count = d->ops->sources(d->context, (enum source_sort)q->sources.sort, list,
				q->sources.most);
	return put(
		json_pack("{s:o}", "sources", json_source_list(control_snapshot(d), list, count)),
		text);
}

/* ---- orders --------------------------------------------------------------------------------- */

static int obey(struct control_desk *d, const struct control_question *q, struct evbuffer *text)
{
	char why[256] = "";
	int r = 0;

	switch (q->head.what) {
	case CONTROL_DRAIN:
		r = d->ops->drain(d->context, q->drain.for_s * US_PER_S,
				  q->drain.reason[0] ? q->drain.reason : NULL, why);
		break;
	case CONTROL_RESUME:
		r = d->ops->resume(d->context, why);
		break;
	case CONTROL_MODE:
		r = d->ops->set_mode(d->context, (enum plan_mode)q->mode, why);
		break;
	case CONTROL_RELOAD:
		r = d->ops->reload(d->context, why);
		break;
	}
	if (r < 0)
		evbuffer_add(text, why, strlen(why));
	return r;
}

/* ---- the channel ---------------------------------------------------------------------------- */

/* Whether the process may ask this question. */
static bool may_ask(const struct control_desk *d, const struct control_question *q)
{
	switch (q->head.what) {
	case CONTROL_STATUS:
	case CONTROL_CHANGE:
		return true;
	case CONTROL_EXPLAIN:
		return q->explain.known <= 1;
	case CONTROL_HISTORY:
		return q->history.since_s < q->history.until_s && q->history.step_s &&
		       q->history.step_s <= CONTROL_STEP_MAX_S;
	case CONTROL_SOURCES:
		return d->privileged && q->sources.sort <= SOURCE_BY_ATTEMPTS && q->sources.most &&
		       q->sources.most <= CONTROL_SOURCES_MAX;
	case CONTROL_DRAIN:
		return d->privileged && q->drain.for_s <= CONTROL_DRAIN_MAX_S &&
		       memchr(q->drain.reason, 0, sizeof(q->drain.reason));
	case CONTROL_MODE:
		return d->privileged && (q->mode == PLAN_ENFORCE || q->mode == PLAN_OBSERVE);
	case CONTROL_RESUME:
	case CONTROL_RELOAD:
		return d->privileged;
#ifdef PENSTOCK_PLANTED_SPIN
	case CONTROL_SPIN:
		return true;
#endif
	default:
		return false;
	}
}

static int carry_out(struct control_desk *d, const struct control_question *q,
		     struct evbuffer *text)
{
	switch (q->head.what) {
	case CONTROL_STATUS:
		return put(json_pack("{s:o}", "status", json_status(control_snapshot(d))), text);
	case CONTROL_CHANGE:
		return put(json_pack("{s:o}", "change", json_change(control_snapshot(d))), text);
	case CONTROL_EXPLAIN:
		return put_explanation(d, q, text);
	case CONTROL_HISTORY:
		return put_history(d, q, text);
	case CONTROL_SOURCES:
		return put_sources(d, q, text);
#ifdef PENSTOCK_PLANTED_SPIN
	/* Only for the test of the watchdog, in a build of its own: a callback outside the tick
	 * that never returns. */
	case CONTROL_SPIN:
		for (;;)
			__asm__ volatile("");
#endif
	default:
		return obey(d, q, text);
	}
}

static double answer(void *context, const void *question, int *ret_result, struct evbuffer *text)
{
	struct control_desk *d = context;
	const struct control_question *q = question;
	uint64_t began_us = clock_monotonic_us();
	double cost_us;

	if (!may_ask(d, q))
		return -1;
	*ret_result = carry_out(d, q, text);
	cost_us = (double)(clock_monotonic_us() - began_us);
	/* A reload may take long, and the operator's next call should not have to wait for that. */
	return d->privileged && cost_us > ADMIN_BURST_US ? ADMIN_BURST_US : cost_us;
}

static bool is_order(const void *question)
{
	switch (((const struct control_question *)question)->head.what) {
	case CONTROL_DRAIN:
	case CONTROL_RESUME:
	case CONTROL_MODE:
	case CONTROL_RELOAD:
		return true;
	default:
		return false;
	}
}

const struct answers_kind control_answers_admin = { .question = sizeof(struct control_question),
						    .work_per_s = ADMIN_SHARE * US_PER_S,
						    .work_max = ADMIN_BURST_US,
						    .answer = answer,
						    .is_order = is_order };
const struct answers_kind control_answers_users = { .question = sizeof(struct control_question),
						    .work_per_s = USERS_SHARE * US_PER_S,
						    .work_max = USERS_BURST_US,
						    .answer = answer };
