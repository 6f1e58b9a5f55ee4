#include "publish/http_shelf.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "publish/asker.h"
#include "publish/http_reply.h"
#include "publish/metrics.h"

#define STALE_US (2 * US_PER_S)
/* penstockd lives, but is slow: scrapers give up after ten seconds */
#define GIVE_UP_US (8 * US_PER_S)
#define LOOK_MS 500 /* whether penstockd still answers */

/* One document serves all requests within this time, so that thousands of connections do not
 * delay the tick. */
#define MADE_US 50000

/* A request that waits for a document. */
struct queued_request {
	struct evhttp_request *request;
	struct queued_request *next;
	uint32_t span_s; /* of the history */
	uint64_t since_us;
};

/* One document. The question on its way is for the first `asked` requests that wait; later
 * requests get a later document. */
struct shelf {
	struct evbuffer *made; /* NULL: there is none yet */
	uint64_t made_us, made_tick, asked_us, asked_tick;
	struct queued_request *first, **last;
	unsigned asked;
	bool on_its_way;
};

struct http_shelves {
	const struct http_shared *shared;
	struct asker *asker;
	struct event *look; /* every LOOK_MS while a request waits */
	struct shelf shelf[DOCUMENT__COUNT];
};

static const char *type_of(uint32_t document)
{
	static const char *const types[DOCUMENT__COUNT] = {
		[DOCUMENT_PAGE] = "text/html; charset=utf-8",
		[DOCUMENT_PAGE_HOUR] = "text/html; charset=utf-8",
		[DOCUMENT_PAGE_DAY] = "text/html; charset=utf-8",
		[DOCUMENT_PUBLIC] = "text/html; charset=utf-8",
		[DOCUMENT_JSON] = "application/json",
		[DOCUMENT_METRICS] = METRICS_TYPE_CLASSIC,
		[DOCUMENT_OPENMETRICS] = METRICS_TYPE_OPENMETRICS,
		[DOCUMENT_HISTORY] = "application/json",
	};

	return types[document];
}

/* A copy, since sending drains it. */
static void answer_made(struct evhttp_request *request, uint32_t document, struct evbuffer *made)
{
	struct evbuffer *body = made ? evbuffer_new() : NULL;

	if (body && evbuffer_add_buffer_reference(body, made) == 0)
		http_reply(request, 200, "OK", type_of(document), body);
	else
		http_reply_text(request, 503, "Service Unavailable", "out of memory");
	if (body)
		evbuffer_free(body);
}

/* Asks if a request waits and no question is on its way. A document goes to all requests that
 * wait for it, a history to those with the same span. */
static void ask(struct http_shelves *s, uint32_t document)
{
	struct shelf *shelf = &s->shelf[document];
	struct http_question q = { .head.what = document };

	if (shelf->on_its_way || !shelf->first)
		return;
	q.span_s = shelf->first->span_s;
	shelf->asked = 0;
	for (struct queued_request *w = shelf->first; w && w->span_s == q.span_s; w = w->next)
		shelf->asked++;
	shelf->on_its_way = true;
	shelf->asked_us = clock_monotonic_us();
	shelf->asked_tick = __atomic_load_n(&s->shared->tick, __ATOMIC_RELAXED);
	asker_ask(s->asker, &q);
}

static struct queued_request *shelf_take(struct shelf *shelf)
{
	struct queued_request *w = shelf->first;

	shelf->first = w->next;
	if (!shelf->first)
		shelf->last = &shelf->first;
	return w;
}

static void on_document(struct http_shelves *s, uint32_t document, struct evbuffer *made)
{
	struct shelf *shelf = &s->shelf[document];

	shelf->on_its_way = false;
	if (shelf->made)
		evbuffer_free(shelf->made);
	shelf->made = made;
	shelf->made_us = shelf->asked_us;
	shelf->made_tick = shelf->asked_tick;
	for (; shelf->asked && shelf->first; shelf->asked--) {
		struct queued_request *w = shelf_take(shelf);

		answer_made(w->request, document, made);
		free(w);
	}
	ask(s, document);
}

void http_shelves_want(struct http_shelves *s, struct evhttp_request *request, uint32_t document,
		       uint32_t span_s)
{
	const struct timeval look = { 0, LOOK_MS * 1000 };
	struct shelf *shelf = &s->shelf[document];
	uint64_t now_us = clock_monotonic_us();
	struct queued_request *w;

	if (document != DOCUMENT_HISTORY && shelf->made && now_us - shelf->made_us <= MADE_US &&
	    shelf->made_tick == __atomic_load_n(&s->shared->tick, __ATOMIC_RELAXED)) {
		answer_made(request, document, shelf->made);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		http_reply_text(request, 503, "Service Unavailable", "out of memory");
		return;
	}
	*w = (struct queued_request){ .request = request, .span_s = span_s, .since_us = now_us };
	*shelf->last = w;
	shelf->last = &w->next;
	if (!event_pending(s->look, EV_TIMEOUT, NULL))
		event_add(s->look, &look);
	ask(s, document);
}

bool http_alive(const struct http_shared *shared)
{
	return clock_monotonic_us() <=
	       __atomic_load_n(&shared->beat_us, __ATOMIC_RELAXED) + STALE_US;
}

/* Answers requests that have waited too long with the error that penstockd does not answer. If it
 * hangs, that comes sooner. */
static void on_look(evutil_socket_t fd, short what, void *context)
{
	const struct timeval look = { 0, LOOK_MS * 1000 };
	struct http_shelves *s = context;
	uint64_t now_us = clock_monotonic_us(),
		 patience_us = http_alive(s->shared) ? GIVE_UP_US : STALE_US;
	bool wait = false;

	for (int i = 0; i < DOCUMENT__COUNT; i++) {
		struct shelf *shelf = &s->shelf[i];

		while (shelf->first && now_us - shelf->first->since_us > patience_us) {
			struct queued_request *w = shelf_take(shelf);

			http_reply_text(w->request, 503, "Service Unavailable",
					"penstockd does not answer: mail flows");
			free(w);
			if (shelf->asked)
				shelf->asked--;
		}
		wait |= shelf->first != NULL;
	}
	if (wait)
		event_add(s->look, &look);
}

static void on_answer(void *context, const struct channel_answer *head, struct evbuffer *text)
{
	struct http_shelves *s = context;

	if (head->what < DOCUMENT__COUNT)
		on_document(s, head->what, text);
	else if (text)
		evbuffer_free(text);
}

int http_shelves_open(struct event_base *base, const struct http_shared *shared, int fd,
		      struct http_shelves **ret_shelves)
{
	struct http_shelves *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->shared = shared;
	for (int i = 0; i < DOCUMENT__COUNT; i++)
		s->shelf[i].last = &s->shelf[i].first;
	s->look = evtimer_new(base, on_look, s);
	if (asker_open(base, fd, sizeof(struct http_question), on_answer, s, &s->asker) < 0 ||
	    !s->look) {
		http_shelves_close(s);
		return -ENOMEM;
	}
	*ret_shelves = s;
	return 0;
}

void http_shelves_begun(struct http_shelves *s, uint32_t error)
{
	asker_begun(s->asker, error);
}

void http_shelves_close(struct http_shelves *s)
{
	if (!s)
		return;
	for (int i = 0; i < DOCUMENT__COUNT; i++) {
		while (s->shelf[i].first) {
			struct queued_request *w = shelf_take(&s->shelf[i]);

			http_reply_text(w->request, 503, "Service Unavailable", "stopped");
			free(w);
		}
		if (s->shelf[i].made)
			evbuffer_free(s->shelf[i].made);
	}
	if (s->look)
		event_free(s->look);
	asker_close(s->asker);
	free(s);
}
