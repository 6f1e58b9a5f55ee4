/* Handles signals in the event loop: SIGHUP reloads, SIGTERM and SIGINT end it. A closed connection
 * (SIGPIPE) and a full quota (SIGXFSZ) are errors of the call, not signals. */
#ifndef PENSTOCK_HOST_SIGNALS_H
#define PENSTOCK_HOST_SIGNALS_H

struct event_base;
struct signals;

/* 0 or -ENOMEM. */
int signals_open(struct event_base *base, void (*reload)(void *context), void *context,
		 struct signals **ret_signals);
/* NULL is fine. */
void signals_close(struct signals *signals);

#endif
