/* HTTP for machines and people: / /metrics /status.json /healthz /readyz. Read only; on loopback by default. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "publish/control.h"
#include "publish/json.h"
#include "publish/metrics.h"
#include "publish/page.h"

#define HEADERS_MAX 8192
#define TIMEOUT_S 10
#define BACKLOG 64
#define STALE_US (2 * US_PER_S)
#define DESCRIPTORS_OF_OTHERS 256 /* whoever only looks leaves so many to fronts and sensors */
#define PAUSE_MS 100
#define AGAIN_S 5

struct http {
	struct evhttp *server;
	struct evconnlistener *listener; /* the server's */
	struct event *resume; /* after a pause that on_accepted() made */
	struct event *again; /* every AGAIN_S, after one that on_accept_error() made */
	const struct control_ops *ops;
	void *context;
};

static void answer(struct evhttp_request *request, int code, const char *reason, const char *type,
		   struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	evhttp_add_header(
		headers, "Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
		"connect-src 'self'");
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

static void on_metrics(struct evhttp_request *request, void *context)
{
	struct http *h = context;
	const char *accept =
		evhttp_find_header(evhttp_request_get_input_headers(request), "Accept");
	bool openmetrics = accept && strstr(accept, "application/openmetrics-text");
	struct evbuffer *body = evbuffer_new();

	if (!body) {
		answer_text(request, 503, "Service Unavailable", "out of memory");
		return;
	}
	metrics_render(h->ops->status(h->context), clock_monotonic_us(), openmetrics, body);
	answer(request, 200, "OK", openmetrics ? METRICS_TYPE_OPENMETRICS : METRICS_TYPE_CLASSIC,
	       body);
	evbuffer_free(body);
}

static void on_status(struct evhttp_request *request, void *context)
{
	struct http *h = context;
	json_t *status = json_status(h->ops->status(h->context));
	char *text = status ? json_dumps(status, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
	struct evbuffer *body = evbuffer_new();

	json_decref(status);
	if (!text || !body) {
		answer_text(request, 503, "Service Unavailable", "out of memory");
	} else {
		evbuffer_add_printf(body, "%s\n", text);
		answer(request, 200, "OK", "application/json", body);
	}
	free(text);
	if (body)
		evbuffer_free(body);
}

static void on_page(struct evhttp_request *request, void *context)
{
	struct http *h = context;
	struct evbuffer *body = evbuffer_new();

	if (!body) {
		answer_text(request, 503, "Service Unavailable", "out of memory");
		return;
	}
	page_render(h->ops->status(h->context), body);
	answer(request, 200, "OK", "text/html; charset=utf-8", body);
	evbuffer_free(body);
}

/* Alive: the tick goes round. Says nothing about the load. */
static void on_healthz(struct evhttp_request *request, void *context)
{
	struct http *h = context;

	if (clock_monotonic_us() > h->ops->status(h->context)->now_us + STALE_US)
		answer_text(request, 503, "Service Unavailable", "the tick is late: mail flows");
	else
		answer_text(request, 200, "OK", "ok");
}

/* Ready: it sees, and it serves. */
static void on_readyz(struct evhttp_request *request, void *context)
{
	struct http *h = context;
	const struct status *s = h->ops->status(h->context);

	if (s->view.state == STATE_SERVING && clock_monotonic_us() <= s->now_us + STALE_US)
		answer_text(request, 200, "OK", "ok");
	else
		answer_text(request, 503, "Service Unavailable", engine_state_name(s->view.state));
}

static void on_other(struct evhttp_request *request, void *context)
{
	answer_text(request, 404, "Not Found",
		    "nothing here; try / /metrics /status.json /healthz /readyz");
}

/* Connections are as many as come, each for TIMEOUT_S at least: so that they take no descriptor that a front needs, only one in
 * PAUSE_MS is accepted while few are left (sensors may have taken them: who looks is still told). The lowest that is free tells how
 * many are taken. */
static bool descriptors_are_short(void)
{
	struct rlimit limit = { 1024, 1024 };
	rlim_t others;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return true;
	close(fd);
	getrlimit(RLIMIT_NOFILE, &limit);
	others = limit.rlim_cur / 4 < DESCRIPTORS_OF_OTHERS ? limit.rlim_cur / 4
							    : DESCRIPTORS_OF_OTHERS;
	return (rlim_t)fd + others >= limit.rlim_cur;
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	struct http *h = context;

	evconnlistener_enable(h->listener);
}

/* NULL: the usual one. Called for each that was accepted. */
static struct bufferevent *on_accepted(struct event_base *base, void *context)
{
	const struct timeval wait = { 0, PAUSE_MS * 1000 };
	struct http *h = context;

	if (descriptors_are_short()) {
		evconnlistener_disable(h->listener);
		event_add(h->resume, &wait);
	}
	return NULL;
}

/* Not one is left. Without this libevent would try again at once, and say so each time. The context is not ours but evhttp's, so
 * that the listener is all there is: h->again enables it. */
static void on_accept_error(struct evconnlistener *listener, void *of_evhttp)
{
	evconnlistener_disable(listener);
}

static int listen_with(struct http *h, int fd)
{
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(h->server, fd);

	if (!bound)
		return -ENOMEM;
	h->listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(h->listener, on_accept_error);
	evhttp_set_bevcb(h->server, on_accepted, h);
	return 0;
}

int http_open(struct event_base *base, const struct config *config, const struct control_ops *ops,
	      void *context, struct http **ret_http, char *why)
{
	const struct timeval again = { AGAIN_S, 0 };
	struct http *h;
	int fd = endpoint_listen(&config->http_listen, BACKLOG, 0660);

	if (fd < 0) {
		snprintf(
			why, 160, "cannot listen on http.listen = %s: %s%s",
			config->http_listen.text, strerror(-fd),
			fd == -EADDRINUSE
				? ": another program has this address; give http.listen another one"
				: "");
		return fd;
	}
	h = calloc(1, sizeof(*h));
	if (h)
		h->server = evhttp_new(base);
	if (h)
		h->resume = evtimer_new(base, on_resume, h);
	if (h)
		h->again = event_new(base, -1, EV_PERSIST, on_resume, h);
	if (!h || !h->server || !h->resume || !h->again || event_add(h->again, &again) < 0 ||
	    listen_with(h, fd) < 0) {
		close(fd);
		http_close(h);
		return -ENOMEM;
	}
	h->ops = ops;
	h->context = context;
	evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(h->server, HEADERS_MAX);
	evhttp_set_max_body_size(h->server, 0);
	evhttp_set_timeout(h->server, TIMEOUT_S);
	evhttp_set_cb(h->server, "/", on_page, h);
	evhttp_set_cb(h->server, "/metrics", on_metrics, h);
	evhttp_set_cb(h->server, "/status.json", on_status, h);
	evhttp_set_cb(h->server, "/healthz", on_healthz, h);
	evhttp_set_cb(h->server, "/readyz", on_readyz, h);
	evhttp_set_gencb(h->server, on_other, h);
	*ret_http = h;
	return 0;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	if (h->resume)
		event_free(h->resume);
	if (h->again)
		event_free(h->again);
	if (h->server)
		evhttp_free(h->server);
	free(h);
}
