/* penstockd's answers to the process that answers HTTP: documents, a limited number a second. */
#include <errno.h>
#include <event2/buffer.h>

#include "publish/http_wire.h"

/* Documents a second. The process asks for each kind at most once in 50 ms, and for histories. */
#define WORK_PER_S 400
#define WORK_MAX 200
#define HISTORY_WORK 4

/* The process that serves customers gets their page, and nothing else. */
static bool may_ask(const struct http_desk *d, const struct http_question *q)
{
	if (q->head.what >= DOCUMENT__COUNT ||
	    (q->head.what == DOCUMENT_PUBLIC) != (d->kind == HTTP_CUSTOMERS))
		return false;
	return q->head.what != DOCUMENT_HISTORY || (q->span_s && q->span_s <= DOCUMENT_SPAN_MAX_S);
}

static double answer(void *context, const void *question, int *ret_result, struct evbuffer *text)
{
	const struct http_desk *d = context;
	const struct http_question *q = question;

	if (!may_ask(d, q))
		return -1;
	*ret_result = 0;
	if (!document_make(d->ops, d->context, (enum document)q->head.what, q->span_s, text)) {
		evbuffer_drain(text, evbuffer_get_length(text));
		*ret_result = -ENOMEM;
	}
	return q->head.what <= DOCUMENT_PAGE_DAY || q->head.what == DOCUMENT_HISTORY ? HISTORY_WORK
										     : 1;
}

const struct answers_kind http_answers = { .question = sizeof(struct http_question),
					   .work_per_s = WORK_PER_S,
					   .work_max = WORK_MAX,
					   .answer = answer };
