/* When a sender tries again, and when it gives up: the real ones as functions of the age of a
 * message. Pure. */
#ifndef PENSTOCK_SIM_RETRY_H
#define PENSTOCK_SIM_RETRY_H

#include <stdbool.h>

enum retry {
	RETRY_POSTFIX,
	RETRY_EXIM,
	RETRY_QMAIL,
	RETRY_GMAIL,
	RETRY_YAHOO,
	RETRY_HOTMAIL,
	RETRY_EXCHANGE,
	RETRY_GMX,
	RETRY_AOL,
	RETRY_QQ,
	RETRY_ADVICE, /* 5 min, 30 min, 2 h, then every 4 h for 5 days */
	RETRY_APP, /* a program without a queue: refused mail is lost */
	RETRY_BOT, /* never comes back */
	RETRY_HAMMER, /* a bot that comes back at once */
	RETRY__COUNT
};

/* The age (s) of the next try of a message that was tried `tries` times (at least 1), the last time
 * at `age_s`; below 0: it is given up. */
double retry_next_s(enum retry retry, unsigned tries, double age_s);
/* The age of the last try, s; 0: there is only one try. */
double retry_patience_s(enum retry retry);
/* Whether people would miss this mail (not that of bots), and whether its author is told when the
 * sender gives up (a bounce). */
bool retry_is_mail(enum retry retry);
bool retry_bounces(enum retry retry);
/* After so many refusals in a row the sender pauses for its whole destination; 0 refusals: it never
 * does. */
void retry_back_off(enum retry retry, unsigned *ret_refusals, double *ret_pause_s);
const char *retry_name(enum retry retry);
/* RETRY__COUNT: there is no way to retry of that name. */
enum retry retry_by_name(const char *name);

#endif
