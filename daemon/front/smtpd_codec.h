/* The lines that OpenSMTPD 6.6 to 7 and a filter say to each other (smtpd-filters(7), protocol 0.5
 * to 0.7). Pure. The session comes before the token in both directions.
 *
 *	config|ready -> register|filter|smtp-in|connect
 *	filter|0.7|1576146008.006|smtp-in|connect|7641df9771b4ed00|1ef1c203cc57|NAME|192.0.2.7
 *		-> filter-result|7641df9771b4ed00|1ef1c203cc57|proceed
 *
 * OpenSMTPD ends when a filter ends or says a line that it does not know. So nothing here fails:
 * what is no question is passed over, and what is no 4yz reply admits. */
#ifndef PENSTOCK_FRONT_SMTPD_CODEC_H
#define PENSTOCK_FRONT_SMTPD_CODEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define SMTPD_LINE_MAX 2048u /* octets of a line, with its end; the rest is taken as another line */
#define SMTPD_ANSWER_MAX 640u

enum smtpd_kind { SMTPD_OTHER, SMTPD_READY, SMTPD_CONNECT };

struct smtpd_line {
	enum smtpd_kind kind;
	char session[17], token[17]; /* CONNECT: hexadecimal */
	struct in6_addr address; /* CONNECT: IPv4 mapped */
	bool address_known; /* false: not a client from a network */
};

/* 1: a line, *ret_size octets of it; 0: more is needed. */
int smtpd_parse(const char *bytes, size_t length, struct smtpd_line *ret_line, size_t *ret_size);
/* The lines that register the filter: the answer to SMTPD_READY. */
const char *smtpd_register(void);
/* The answer to a CONNECT into `buf` of SMTPD_ANSWER_MAX: `reply` goes to the client, which is then
 * disconnected, if it begins with 451 or 421 and is one line of printable octets; else, and when it
 * is NULL, the client is admitted. Returns the length. */
size_t smtpd_answer(char *buf, const struct smtpd_line *line, const char *reply);

#endif
