/* The process that answers HTTP, for machines and people: / /metrics /status.json /history.json
 * /healthz /readyz. Read only; on loopback by default. It has no privilege, opens nothing and knows
 * nothing but what it asks penstockd for: http_wire.h. Whether penstockd is alive it sees itself,
 * from shared memory. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/helper.h"
#include "base/parse.h"
#include "base/sandbox.h"
#include "publish/accept.h"
#include "publish/hosts.h"
#include "publish/http_wire.h"
#include "publish/metrics.h"
#include "publish/page.h"

#define HEADERS_MAX 8192
#define TIMEOUT_S 10
#define STALE_US (2 * US_PER_S)
#define GIVE_UP_US (8 * US_PER_S) /* penstockd lives, but is slow: scrapers give up after ten */
#define CONNECTIONS_MAX 1024u
#define DESCRIPTORS_SPARE 8u
#define PAUSE_MS 100
#define AGAIN_S 5
#define LOOK_MS 500 /* whether penstockd still answers */

/* What is made of the picture is made once for all who ask within this time: thousands of
 * connections must not keep the tick. */
#define MADE_US 50000

/* One who waits for a document. */
struct waiting {
	struct evhttp_request *request;
	struct waiting *next;
	uint32_t span_s; /* of the history */
	uint64_t since_us;
};

/* One document. A question is on its way for the first `asked` who wait; who came later gets what
 * is made later. */
struct shelf {
	struct evbuffer *made; /* NULL: there is none yet */
	uint64_t made_us, made_tick, asked_us, asked_tick;
	struct waiting *first, **last;
	unsigned asked;
	bool on_its_way;
};

struct http_process {
	struct evhttp *server;
	struct evconnlistener *listener[LISTENERS_MAX]; /* the server's */
	unsigned connections_max; /* descriptors, so that one is left */
	struct event *resume; /* after a pause that on_accepted() made */
	struct event *again; /* every AGAIN_S, after one that on_accept_error() made */
	struct event *look; /* every LOOK_MS while somebody waits */
	const struct http_shared *shared;
	struct bufferevent *channel;
	struct event_base *base;
	struct shelf shelf[DOCUMENT__COUNT];
};

static void answer(struct evhttp_request *request, int code, const char *reason, const char *type,
		   struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	char length[24];

	if (evhttp_request_get_command(request) == EVHTTP_REQ_OPTIONS) {
		evhttp_add_header(headers, "Allow", "GET, HEAD, OPTIONS");
		evhttp_send_reply(request, 204, "No Content", NULL);
		return;
	}
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(
		headers, "Content-Security-Policy",
		"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
		"connect-src 'self'; base-uri 'none'; form-action 'none'; "
		"frame-ancestors 'none'");
	evhttp_add_header(headers, "Referrer-Policy", "no-referrer");
	/* libevent would send the body of an answer to HEAD, too. */
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
		snprintf(length, sizeof(length), "%zu", body ? evbuffer_get_length(body) : 0);
		evhttp_add_header(headers, "Content-Length", length);
		body = NULL;
	}
	evhttp_send_reply(request, code, reason, body);
}

static void answer_text(struct evhttp_request *request, int code, const char *reason,
			const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (body)
		evbuffer_add_printf(body, "%s\n", text);
	answer(request, code, reason, "text/plain; charset=utf-8", body);
	if (body)
		evbuffer_free(body);
}

/* ---- documents ------------------------------------------------------------------------------ */

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
		answer(request, 200, "OK", type_of(document), body);
	else
		answer_text(request, 503, "Service Unavailable", "out of memory");
	if (body)
		evbuffer_free(body);
}

/* Asks, if somebody waits and no question is on its way. A document is for all who wait for it, a
 * history for those who want the same span. */
static void ask(struct http_process *p, uint32_t document)
{
	struct shelf *shelf = &p->shelf[document];
	struct http_question q = { .what = document };

	if (shelf->on_its_way || !shelf->first)
		return;
	q.value = shelf->first->span_s;
	shelf->asked = 0;
	for (struct waiting *w = shelf->first; w && w->span_s == q.value; w = w->next)
		shelf->asked++;
	shelf->on_its_way = true;
	shelf->asked_us = clock_monotonic_us();
	shelf->asked_tick = __atomic_load_n(&p->shared->tick, __ATOMIC_RELAXED);
	bufferevent_write(p->channel, &q, sizeof(q));
}

static struct waiting *shelf_take(struct shelf *shelf)
{
	struct waiting *w = shelf->first;

	shelf->first = w->next;
	if (!shelf->first)
		shelf->last = &shelf->first;
	return w;
}

static void on_document(struct http_process *p, uint32_t document, struct evbuffer *made)
{
	struct shelf *shelf = &p->shelf[document];

	shelf->on_its_way = false;
	if (shelf->made)
		evbuffer_free(shelf->made);
	shelf->made = made;
	shelf->made_us = shelf->asked_us;
	shelf->made_tick = shelf->asked_tick;
	for (; shelf->asked && shelf->first; shelf->asked--) {
		struct waiting *w = shelf_take(shelf);

		answer_made(w->request, document, made);
		free(w);
	}
	ask(p, document);
}

static void want(struct http_process *p, struct evhttp_request *request, uint32_t document,
		 uint32_t span_s)
{
	const struct timeval look = { 0, LOOK_MS * 1000 };
	struct shelf *shelf = &p->shelf[document];
	uint64_t now_us = clock_monotonic_us();
	struct waiting *w;

	if (document != DOCUMENT_HISTORY && shelf->made && now_us - shelf->made_us <= MADE_US &&
	    shelf->made_tick == __atomic_load_n(&p->shared->tick, __ATOMIC_RELAXED)) {
		answer_made(request, document, shelf->made);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		answer_text(request, 503, "Service Unavailable", "out of memory");
		return;
	}
	*w = (struct waiting){ .request = request, .span_s = span_s, .since_us = now_us };
	*shelf->last = w;
	shelf->last = &w->next;
	if (!event_pending(p->look, EV_TIMEOUT, NULL))
		event_add(p->look, &look);
	ask(p, document);
}

/* The last tick is young. */
static bool is_alive(const struct http_process *p)
{
	return clock_monotonic_us() <=
	       __atomic_load_n(&p->shared->beat_us, __ATOMIC_RELAXED) + STALE_US;
}

/* Who waits for too long is told that penstockd does not answer: sooner when it hangs. */
static void on_look(evutil_socket_t fd, short what, void *context)
{
	const struct timeval look = { 0, LOOK_MS * 1000 };
	struct http_process *p = context;
	uint64_t now_us = clock_monotonic_us(), patience_us = is_alive(p) ? GIVE_UP_US : STALE_US;
	bool wait = false;

	for (int i = 0; i < DOCUMENT__COUNT; i++) {
		struct shelf *shelf = &p->shelf[i];

		while (shelf->first && now_us - shelf->first->since_us > patience_us) {
			struct waiting *w = shelf_take(shelf);

			answer_text(w->request, 503, "Service Unavailable",
				    "penstockd does not answer: mail flows");
			free(w);
			if (shelf->asked)
				shelf->asked--;
		}
		wait |= shelf->first != NULL;
	}
	if (wait)
		event_add(p->look, &look);
}

/* ---- the channel ---------------------------------------------------------------------------- */

/* One whole document off the channel; NULL: it could not be made, or there is no memory here. */
static struct evbuffer *receive(struct evbuffer *input, uint32_t length)
{
	struct evbuffer *made = length ? evbuffer_new() : NULL;

	if (!made) {
		evbuffer_drain(input, length);
	} else if (evbuffer_remove_buffer(input, made, length) != (int)length) {
		evbuffer_free(made);
		made = NULL;
	}
	return made;
}

static void on_answer(struct bufferevent *channel, void *context)
{
	const struct http_question pong = { .what = HTTP_PING };
	struct http_process *p = context;
	struct evbuffer *input = bufferevent_get_input(channel);
	struct http_answer head;

	for (;;) {
		if (evbuffer_copyout(input, &head, sizeof(head)) < (ssize_t)sizeof(head) ||
		    evbuffer_get_length(input) < sizeof(head) + head.length)
			return;
		evbuffer_drain(input, sizeof(head));
		if (head.what < DOCUMENT__COUNT)
			on_document(p, head.what, receive(input, head.length));
		else if (head.what == HTTP_PING)
			bufferevent_write(channel, &pong, sizeof(pong));
	}
}

/* penstockd is gone, and so is this. */
static void on_parted(struct bufferevent *channel, short what, void *context)
{
	struct http_process *p = context;

	event_base_loopbreak(p->base);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Asked by a name that is ours; else it is told so. */
static bool is_ours(struct evhttp_request *request, const struct http_process *p)
{
	const char *uri = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));
	const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");

	if (hosts_allow(host, p->shared->names) &&
	    (!uri || !*uri || hosts_allow(uri, p->shared->names)))
		return true;
	answer_text(
		request, 421, "Misdirected Request",
		"this is not the name of this host: ask by an address, or add the name to [http] hosts");
	return false;
}

static void on_metrics(struct evhttp_request *request, void *context)
{
	const char *accept =
		evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
	bool openmetrics =
		accept && accept_prefers(accept, "application/openmetrics-text", "text/plain");

	want(context, request, openmetrics ? DOCUMENT_OPENMETRICS : DOCUMENT_METRICS, 0);
}

static void on_status(struct evhttp_request *request, void *context)
{
	want(context, request, DOCUMENT_JSON, 0);
}

static void on_page(struct evhttp_request *request, void *context)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	enum document page = !query				? DOCUMENT_PAGE
			     : strcmp(query, "span=3600") == 0	? DOCUMENT_PAGE_HOUR
			     : strcmp(query, "span=86400") == 0 ? DOCUMENT_PAGE_DAY
								: DOCUMENT_PAGE;

	want(context, request, page, 0);
}

/* Alive: the tick goes round. Says nothing about the load. */
static void on_healthz(struct evhttp_request *request, void *context)
{
	if (is_alive(context))
		answer_text(request, 200, "OK", "ok");
	else
		answer_text(request, 503, "Service Unavailable", "the tick is late: mail flows");
}

/* Whether a pool should send mail here: not in a drain, in maintenance or while the tick is late.
 * An overload is no reason (the others would get its load too, and 451 is the better answer), nor
 * is a blind penstock: mail flows. */
static void on_readyz(struct evhttp_request *request, void *context)
{
	const struct http_process *p = context;
	uint32_t state = __atomic_load_n(&p->shared->state, __ATOMIC_RELAXED);

	if (state != STATE_DRAINING && state != STATE_MAINTENANCE && is_alive(p))
		answer_text(request, 200, "OK", "ok");
	else
		answer_text(request, 503, "Service Unavailable",
			    engine_state_name((enum engine_state)state));
}

/* /history.json?span=SECONDS: the last so many (3600). */
static void on_history(struct evhttp_request *request, void *context)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	uint64_t span_s = 3600;

	if (query && (strncmp(query, "span=", 5) != 0 || parse_u64(query + 5, &span_s) < 0 ||
		      span_s == 0 || span_s > DOCUMENT_SPAN_MAX_S))
		answer_text(request, 400, "Bad Request", "give ?span= and 1 to 86400 seconds");
	else
		want(context, request, DOCUMENT_HISTORY, (uint32_t)span_s);
}

static void answer_file(struct evhttp_request *request, const char *text, const char *type)
{
	struct evbuffer *body = evbuffer_new();

	if (!body) {
		answer_text(request, 503, "Service Unavailable", "out of memory");
		return;
	}
	evbuffer_add_reference(body, text, strlen(text), NULL, NULL);
	answer(request, 200, "OK", type, body);
	evbuffer_free(body);
}

static void on_other(struct evhttp_request *request, void *context)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)), *type;
	const char *text = path ? page_file(path, &type) : NULL;

	if (text)
		answer_file(request, text, type);
	else
		answer_text(request, 404, "Not Found",
			    "nothing here; try / /metrics /status.json /healthz /readyz");
}

/* Strangers ask here, by whichever name. */
static void on_public(struct evhttp_request *request, void *context)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)), *type;
	const char *style = page_file("/public.css", &type);

	if (path && strcmp(path, "/") == 0)
		want(context, request, DOCUMENT_PUBLIC, 0);
	else if (path && strcmp(path, "/public.css") == 0)
		answer_file(request, style, type);
	else
		answer_text(request, 404, "Not Found", "Not Found");
}

static const struct route {
	const char *path;
	void (*answer)(struct evhttp_request *request, void *context);
} routes[] = {
	{ "/", on_page },	    { "/metrics", on_metrics }, { "/status.json", on_status },
	{ "/healthz", on_healthz }, { "/readyz", on_readyz },	{ "/history.json", on_history },
};

static void on_request(struct evhttp_request *request, void *context)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));

	if (!is_ours(request, context))
		return;
	for (size_t i = 0; path && i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, path) == 0) {
			routes[i].answer(request, context);
			return;
		}
	on_other(request, context);
}

/* ---- connections ---------------------------------------------------------------------------- */

/* Connections are as many as come, each for TIMEOUT_S at least: over the bound one in PAUSE_MS is
 * accepted. The lowest descriptor that is free tells how many are taken. */
static bool descriptors_are_short(const struct http_process *p)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return true;
	close(fd);
	return (unsigned)fd >= p->connections_max;
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	struct http_process *p = context;

	for (int i = 0; i < LISTENERS_MAX; i++)
		if (p->listener[i])
			evconnlistener_enable(p->listener[i]);
}

/* NULL: the usual one. Called for each that was accepted. */
static struct bufferevent *on_accepted(struct event_base *base, void *context)
{
	const struct timeval wait = { 0, PAUSE_MS * 1000 };
	struct http_process *p = context;

	if (descriptors_are_short(p)) {
		for (int i = 0; i < LISTENERS_MAX; i++)
			if (p->listener[i])
				evconnlistener_disable(p->listener[i]);
		event_add(p->resume, &wait);
	}
	return NULL;
}

/* Not one is left. Without this libevent would try again at once, and say so each time. The context
 * is not ours but evhttp's, so that the listener is all there is: p->again enables it. */
static void on_accept_error(struct evconnlistener *listener, void *of_evhttp)
{
	evconnlistener_disable(listener);
}

static int listen_with(struct http_process *p, const int *fds, unsigned count)
{
	for (unsigned i = 0; i < count && i < LISTENERS_MAX; i++) {
		struct evhttp_bound_socket *bound =
			evhttp_accept_socket_with_handle(p->server, fds[i]);

		if (!bound)
			return -ENOMEM;
		p->listener[i] = evhttp_bound_socket_get_listener(bound);
		evconnlistener_set_error_cb(p->listener[i], on_accept_error);
	}
	evhttp_set_bevcb(p->server, on_accepted, p);
	return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void set_up_server(struct http_process *p)
{
	evhttp_set_allowed_methods(p->server,
				   EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS);
	evhttp_set_max_headers_size(p->server, HEADERS_MAX);
	evhttp_set_max_body_size(p->server, 0);
	evhttp_set_timeout(p->server, TIMEOUT_S);
	evhttp_set_gencb(p->server, p->shared->kind == HTTP_CUSTOMERS ? on_public : on_request, p);
}

static unsigned bound_of_connections(void)
{
	struct rlimit limit = { 1024, 1024 };
	rlim_t most = CONNECTIONS_MAX + DESCRIPTORS_SPARE;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < most)
		most = limit.rlim_cur;
	return most > 2 * DESCRIPTORS_SPARE ? (unsigned)most - DESCRIPTORS_SPARE
					    : DESCRIPTORS_SPARE;
}

int http_process_open(struct event_base *base, const struct http_shared *shared, const int *fds,
		      unsigned count, struct http_process **ret_process)
{
	const struct timeval again = { AGAIN_S, 0 };
	struct http_process *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->base = base;
	p->shared = shared;
	p->connections_max = bound_of_connections();
	for (int i = 0; i < DOCUMENT__COUNT; i++)
		p->shelf[i].last = &p->shelf[i].first;
	p->server = evhttp_new(base);
	p->resume = evtimer_new(base, on_resume, p);
	p->look = evtimer_new(base, on_look, p);
	p->again = event_new(base, -1, EV_PERSIST, on_resume, p);
	p->channel = bufferevent_socket_new(base, fds[0], BEV_OPT_CLOSE_ON_FREE);
	if (!p->server || !p->resume || !p->look || !p->again || !p->channel ||
	    event_add(p->again, &again) < 0 || listen_with(p, fds + 2, count - 2) < 0) {
		http_process_close(p);
		return -ENOMEM;
	}
	set_up_server(p);
	bufferevent_setcb(p->channel, on_answer, NULL, on_parted, p);
	bufferevent_enable(p->channel, EV_READ | EV_WRITE);
	*ret_process = p;
	return 0;
}

/* For the fuzzer and for what failed halfway: the process itself ends as a whole. */
void http_process_close(struct http_process *p)
{
	struct event *const timers[] = { p->resume, p->look, p->again };

	for (unsigned i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		if (timers[i])
			event_free(timers[i]);
	for (int i = 0; i < DOCUMENT__COUNT; i++) {
		while (p->shelf[i].first) {
			struct waiting *w = shelf_take(&p->shelf[i]);

			answer_text(w->request, 503, "Service Unavailable", "stopped");
			free(w);
		}
		if (p->shelf[i].made)
			evbuffer_free(p->shelf[i].made);
	}
	if (p->server)
		evhttp_free(p->server);
	if (p->channel)
		bufferevent_free(p->channel);
	free(p);
}

int http_process_main(int argc, char **argv)
{
	struct http_question begun = { .what = HTTP_BEGUN };
	const struct http_shared *shared;
	struct http_process *process;
	struct event_base *base;
	int fds[HELPER_FDS];
	int r, count = helper_begin(argc, argv, HTTP_ARGUMENT, fds);

	if (count < 3) {
		fprintf(stderr, "penstockd: only penstockd itself uses " HTTP_ARGUMENT "\n");
		return EX_USAGE;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, fds[1], 0);
	base = event_base_new();
	if (shared == MAP_FAILED || !base ||
	    http_process_open(base, shared, fds, (unsigned)count, &process) < 0)
		_exit(EX_OSERR);
	r = sandbox_enter();
	if (r == -EPERM)
		_exit(EX_NOPERM);
	begun.value = (uint32_t)-r;
	bufferevent_write(process->channel, &begun, sizeof(begun));
	event_base_dispatch(base);
	_exit(EXIT_SUCCESS); /* what would be freed is the kernel's to free */
}
