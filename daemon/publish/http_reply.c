#include "publish/http_reply.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>

void http_reply(struct evhttp_request *request, int code, const char *reason, const char *type,
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

void http_reply_text(struct evhttp_request *request, int code, const char *reason, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (body)
		evbuffer_add_printf(body, "%s\n", text);
	http_reply(request, code, reason, "text/plain; charset=utf-8", body);
	if (body)
		evbuffer_free(body);
}

void http_reply_file(struct evhttp_request *request, const char *text, const char *type)
{
	struct evbuffer *body = evbuffer_new();

	if (!body) {
		http_reply_text(request, 503, "Service Unavailable", "out of memory");
		return;
	}
	evbuffer_add_reference(body, text, strlen(text), NULL, NULL);
	http_reply(request, 200, "OK", type, body);
	evbuffer_free(body);
}
