/* The process that answers HTTP, for machines and people: / /metrics /status.json /history.json
 * /healthz /readyz. Read only; on loopback by default. It has no privilege, opens nothing, and
 * knows only what it asks penstockd for (http_wire.h). From shared memory it sees whether
 * penstockd is alive. */
#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/array.h"
#include "base/descriptors.h"
#include "base/helper.h"
#include "base/parse.h"
#include "publish/accept.h"
#include "publish/hosts.h"
#include "publish/http_reply.h"
#include "publish/http_shelf.h"
#include "publish/page.h"

#define HEADERS_MAX 8192
#define TIMEOUT_S 10
#define CONNECTIONS_MAX 1024u
#define DESCRIPTORS_SPARE 8u
#define PAUSE_MS 100
#define AGAIN_S 5

struct http_process {
	struct evhttp *server;
	struct evconnlistener *listener[LISTENERS_MAX]; /* evhttp owns them */
	unsigned connections_max; /* a limit that leaves one descriptor free */
	struct event *resume; /* ends a pause that on_accepted() began */
	struct event *again; /* every AGAIN_S, to end one that on_accept_error() began */
	const struct http_shared *shared;
	struct http_shelves *shelves;
};

/* ---- requests ------------------------------------------------------------------------------- */

/* Whether the request used one of our names; if not, answers that. */
static bool is_ours(struct evhttp_request *request, const struct http_process *p)
{
	const char *uri = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));
	const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");

	if (hosts_allow(host, p->shared->names) &&
	    (!uri || !*uri || hosts_allow(uri, p->shared->names)))
		return true;
	http_reply_text(
		request, 421, "Misdirected Request",
		"this is not the name of this host: ask by an address, or add the name to [http] hosts");
	return false;
}

static void want(const struct http_process *p, struct evhttp_request *request, uint32_t document,
		 uint32_t span_s)
{
	http_shelves_want(p->shelves, request, document, span_s);
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

/* Whether penstockd is alive, that is, whether ticks happen. Says nothing about the load. */
static void on_healthz(struct evhttp_request *request, void *context)
{
	const struct http_process *p = context;

	if (http_alive(p->shared))
		http_reply_text(request, 200, "OK", "ok");
	else
		http_reply_text(request, 503, "Service Unavailable",
				"the tick is late: mail flows");
}

/* Whether a load balancer should send mail here: not during a drain, not during maintenance, and
 * not while the tick is late. In an overload it should, because the other hosts would get this load
 * too, and 451 is the better answer. It also should while no sensor works: mail flows. */
static void on_readyz(struct evhttp_request *request, void *context)
{
	const struct http_process *p = context;
	uint32_t state = __atomic_load_n(&p->shared->state, __ATOMIC_RELAXED);

	if (state != STATE_DRAINING && state != STATE_MAINTENANCE && http_alive(p->shared))
		http_reply_text(request, 200, "OK", "ok");
	else
		http_reply_text(request, 503, "Service Unavailable",
				engine_state_name((enum engine_state)state));
}

/* /history.json?span=SECONDS: the last so many (3600). */
static void on_history(struct evhttp_request *request, void *context)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
	uint64_t span_s = 3600;

	if (query && (strncmp(query, "span=", 5) != 0 || parse_u64(query + 5, &span_s) < 0 ||
		      span_s == 0 || span_s > DOCUMENT_SPAN_MAX_S))
		http_reply_text(request, 400, "Bad Request", "give ?span= and 1 to 86400 seconds");
	else
		want(context, request, DOCUMENT_HISTORY, (uint32_t)span_s);
}

static void on_other(struct evhttp_request *request, void *context)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)), *type;
	const char *text = path ? page_file(path, &type) : NULL;

	if (text)
		http_reply_file(request, text, type);
	else
		http_reply_text(request, 404, "Not Found",
				"nothing here; try / /metrics /status.json /healthz /readyz");
}

/* The public page is served under any host name. */
static void on_public(struct evhttp_request *request, void *context)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)), *type;
	const char *style = page_file("/public.css", &type);

	if (path && strcmp(path, "/") == 0)
		want(context, request, DOCUMENT_PUBLIC, 0);
	else if (path && strcmp(path, "/public.css") == 0)
		http_reply_file(request, style, type);
	else
		http_reply_text(request, 404, "Not Found", "Not Found");
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
	for (size_t i = 0; path && i < ARRAY_SIZE(routes); i++)
		if (strcmp(routes[i].path, path) == 0) {
			routes[i].answer(request, context);
			return;
		}
	on_other(request, context);
}

/* ---- connections ---------------------------------------------------------------------------- */

/* Whether few descriptors are left: any number of connections may come, and each stays for up to
 * TIMEOUT_S. Then one connection in PAUSE_MS is accepted. The lowest free descriptor shows how many
 * are in use. */
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

/* Called for each accepted connection. NULL: use the usual bufferevent. */
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

/* No descriptor is left. Without this libevent would try again at once, and log each failure. The
 * context belongs to evhttp, so only the listener is known here: p->again enables it. */
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
	unsigned most = CONNECTIONS_MAX + DESCRIPTORS_SPARE, have = descriptors_max();

	if (have < most)
		most = have;
	return most > 2 * DESCRIPTORS_SPARE ? most - DESCRIPTORS_SPARE : DESCRIPTORS_SPARE;
}

int http_process_open(struct event_base *base, const struct http_shared *shared, const int *fds,
		      unsigned count, struct http_process **ret_process)
{
	const struct timeval again = { AGAIN_S, 0 };
	struct http_process *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->shared = shared;
	p->connections_max = bound_of_connections();
	p->server = evhttp_new(base);
	p->resume = evtimer_new(base, on_resume, p);
	p->again = event_new(base, -1, EV_PERSIST, on_resume, p);
	if (http_shelves_open(base, shared, fds[0], &p->shelves) < 0 || !p->server || !p->resume ||
	    !p->again || event_add(p->again, &again) < 0 ||
	    listen_with(p, fds + 2, count - 2) < 0) {
		http_process_close(p);
		return -ENOMEM;
	}
	set_up_server(p);
	*ret_process = p;
	return 0;
}

/* For the fuzzer, and after a failure halfway. The process itself just ends. */
void http_process_close(struct http_process *p)
{
	struct event *const timers[] = { p->resume, p->again };

	for (unsigned i = 0; i < ARRAY_SIZE(timers); i++)
		if (timers[i])
			event_free(timers[i]);
	http_shelves_close(p->shelves);
	if (p->server)
		evhttp_free(p->server);
	free(p);
}

int http_process_main(int argc, char **argv)
{
	const struct http_shared *shared;
	struct http_process *process;
	struct event_base *base;
	int fds[HELPER_FDS];
	int count = helper_begin(argc, argv, HTTP_ARGUMENT, 3, fds);

	if (count < 0)
		return EX_USAGE;
	shared = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, fds[1], 0);
	base = event_base_new();
	if (shared == MAP_FAILED || !base ||
	    http_process_open(base, shared, fds, (unsigned)count, &process) < 0)
		_exit(EX_OSERR);
	http_shelves_begun(process->shelves, helper_confine());
	event_base_dispatch(base);
	_exit(EXIT_SUCCESS); /* the kernel frees everything at the end of the process */
}
