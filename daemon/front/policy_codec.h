/* Postfix policy delegation: name=value lines, an empty line ends the request. Pure.
 * https://www.postfix.org/SMTPD_POLICY_README.html */
#ifndef PENSTOCK_FRONT_POLICY_CODEC_H
#define PENSTOCK_FRONT_POLICY_CODEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_REQUEST_MAX 16384

struct policy_request {
	struct in6_addr address; /* IPv4 mapped */
	bool address_known; /* Postfix says "unknown" for what it does not know */
	uint16_t port; /* 0: not known */
	/* Names the SMTP session, not the message: instance= up to its last dot; empty: not
	 * given. */
	char session[64];
};

/* 1: a request, *ret_size octets of it; 0: more is needed; -EBADMSG: no policy request; -EMSGSIZE:
 * too long. */
int policy_parse(const char *bytes, size_t length, struct policy_request *ret_request,
		 size_t *ret_size);
/* "action=TEXT\n\n" into buf; returns the length, 0: does not fit. */
size_t policy_action(char *buf, size_t size, const char *text);

#endif
