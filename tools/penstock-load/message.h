/* One message: its attempts, each an SMTP session, and the pauses between them. */
#ifndef PENSTOCK_LOAD_MESSAGE_H
#define PENSTOCK_LOAD_MESSAGE_H

#include <event2/event.h>
#include <netinet/in.h>

#include "penstock-load/config.h"
#include "penstock-load/report.h"

struct session;

/* What all messages share. generator.c fills it. */
struct load {
	const struct generator_config *config;
	struct report *report;
	struct event_base *base;
	struct evbuffer *body;
	uint64_t start_us;
	uint64_t open, waiting; /* open sessions, and messages that wait for their retry */
	bool over; /* the schedule has ended */
	bool source_said; /* it was logged that an address cannot be used as the sender's */
	struct session *sessions;
};

/* Seconds since the start of the run. */
double load_now_s(const struct load *load);
/* Below 0: at once. */
struct timeval load_interval(double seconds);
/* Ends the event loop if nothing is left to send or to wait for. */
void load_finish_if_done(struct load *load);
/* Counts a message that is due at `at_s`, and begins with its first attempt. `source`: 0.0.0.0: the
 * kernel's choice. */
void message_new(struct load *load, double at_s, struct in_addr source);
/* Call it at the end of the run: messages that are left count as unfinished, and are freed. */
void message_end_all(struct load *load);

#endif
