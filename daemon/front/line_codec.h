/* The plain line protocol, for servers without a protocol of their own: one line asks, one line
 * answers. Pure.
 *
 * 	connect 203.0.113.9 4711	-> 220
 * 	connect 2001:db8::9		-> 451 4.3.2 mx1.example.org server shutdown in progress
 *
 * The port is optional: with it, penstock knows the connection that is meant. Lines end with LF or
 * CR LF. If the address is not one (such as "unknown"), the verdict uses no knowledge of a
 * source. */
#ifndef PENSTOCK_FRONT_LINE_CODEC_H
#define PENSTOCK_FRONT_LINE_CODEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_REQUEST_MAX 128 /* octets, with the end of the line */

struct line_request {
	struct in6_addr address; /* IPv4 mapped */
	bool address_known;
	uint16_t port; /* 0: not given */
};

/* 1: a request, *ret_size octets of it; 0: more is needed; -EBADMSG: no request; -EMSGSIZE: too
 * long. */
int line_parse(const char *bytes, size_t length, struct line_request *ret_request,
	       size_t *ret_size);
/* The answer with LF into buf: "220", or with `text` ("451 4.3.2 SENTENCE") the same with the
 * server's name before the sentence, as a greeting has it. Returns the length, 0: does not fit. */
size_t line_answer(char *buf, size_t size, const char *text, const char *hostname);

#endif
