#include "publish/documents.h"

#include <event2/buffer.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "publish/history_tell.h"
#include "publish/json.h"
#include "publish/metrics.h"
#include "publish/page.h"
#include "publish/public_page.h"

#define HISTORY_STEPS 400u /* records in one answer: what a chart can show */

static bool put_json(json_t *json, size_t flags, struct evbuffer *out)
{
	_cleanup_free_ char *text = json ? json_dumps(json, flags | JSON_REAL_PRECISION(6)) : NULL;

	json_decref(json);
	return text && evbuffer_add_printf(out, "%s\n", text) >= 0;
}

static bool put_history(const struct control_ops *ops, void *context, uint32_t span_s,
			struct evbuffer *out)
{
	uint64_t now_s = clock_realtime_us() / US_PER_S + 1;
	uint32_t step_s = (span_s + HISTORY_STEPS - 2) / (HISTORY_STEPS - 1);
	_cleanup_free_ struct history_record *records = calloc(HISTORY_STEPS, sizeof(*records));
	size_t count;

	if (!records)
		return false;
	count = ops->history(context, now_s - span_s, now_s, step_s, records, HISTORY_STEPS);
	return put_json(history_json(records, count, false), JSON_COMPACT, out);
}

static bool put_snapshot(const struct control_ops *ops, void *context, enum document document,
			 struct evbuffer *out)
{
	const struct page_past past = { .history = ops->history,
					.context = context,
					.span_s = document == DOCUMENT_PAGE	   ? 300
						  : document == DOCUMENT_PAGE_HOUR ? 3600
										   : 86400 };
	_cleanup_free_ struct status *shown = malloc(sizeof(*shown));
	struct process own;

	if (!shown)
		return false;
	status_hide_neighbours(ops->status(context), shown);
	if (document == DOCUMENT_JSON)
		return put_json(json_status(shown), JSON_INDENT(1), out);
	if (document == DOCUMENT_PUBLIC) {
		public_page_render(shown, out);
		return true;
	}
	if (document <= DOCUMENT_PAGE_DAY) {
		page_render(shown, &past, out);
		return true;
	}
	process_read(shown->started_us, &own);
	metrics_render(shown, &own, clock_monotonic_us(), document == DOCUMENT_OPENMETRICS, out);
	return true;
}

bool document_make(const struct control_ops *ops, void *context, enum document document,
		   uint32_t span_s, struct evbuffer *out)
{
	return document == DOCUMENT_HISTORY ? put_history(ops, context, span_s, out)
					    : put_snapshot(ops, context, document, out);
}
