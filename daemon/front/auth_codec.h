/* The questions of nginx' mail proxy by auth_http, and the answers: HTTP, of which only the request
 * line and three headers matter. Pure.
 * https://nginx.org/en/docs/mail/ngx_mail_auth_http_module.html */
#ifndef PENSTOCK_FRONT_AUTH_CODEC_H
#define PENSTOCK_FRONT_AUTH_CODEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_REQUEST_MAX 8192
#define AUTH_ANSWER_MAX 1024

struct auth_request {
	struct in6_addr address; /* Client-IP; IPv4 mapped */
	bool address_known;
	bool smtp; /* Auth-Protocol: smtp; IMAP and POP3 are never deferred */
};

/* 1: a request, *ret_size octets of it; 0: more is needed; -EBADMSG: no GET without a body;
 * -EMSGSIZE: too long. */
int auth_parse(const char *bytes, size_t length, struct auth_request *ret_request,
	       size_t *ret_size);
/* Write the answer into `buf` (AUTH_ANSWER_MAX) and return its length. The first tells nginx to
 * pass the client to this server. The second defers it: `reply` is "451 4.3.2 text". */
size_t auth_admit(char *buf, const char *address, uint16_t port);
size_t auth_defer(char *buf, const char *reply);
/* The answer to bytes that are no request. */
size_t auth_bad(char *buf);

#endif
