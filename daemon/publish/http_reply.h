/* Sends a whole answer over HTTP, with the headers that each answer has. */
#ifndef PENSTOCK_PUBLISH_HTTP_REPLY_H
#define PENSTOCK_PUBLISH_HTTP_REPLY_H

struct evbuffer;
struct evhttp_request;

/* `body` is drained; NULL: none. HEAD gets the headers only, OPTIONS the list of methods. */
void http_reply(struct evhttp_request *request, int code, const char *reason, const char *type,
		struct evbuffer *body);
/* One line of plain text. */
void http_reply_text(struct evhttp_request *request, int code, const char *reason,
		     const char *text);
/* 200 with a file that is built in: `text` must stay valid. */
void http_reply_file(struct evhttp_request *request, const char *text, const char *type);

#endif
