/* The results of the messages: outcomes, latencies from the scheduled start, one row for each
 * second. */
#ifndef PENSTOCK_LOAD_REPORT_H
#define PENSTOCK_LOAD_REPORT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

enum outcome {
	OUTCOME_ACCEPTED,
	OUTCOME_REFUSED, /* 4yz */
	OUTCOME_REJECTED, /* 5yz */
	OUTCOME_TIMEOUT,
	OUTCOME_RESET, /* closed or reset in the middle */
	OUTCOME_UNREACHABLE, /* no connection */
	OUTCOME_UNFINISHED, /* the run ended first */
	OUTCOME__COUNT
};

struct attempt {
	/* from the start of the run; < 0: never */
	double scheduled_s, started_s, greeted_s, ended_s;
	double first_s; /* when the message was first scheduled; retries are scheduled later */
	unsigned number; /* 0: the first try */
	enum outcome outcome;
	int code; /* of the last reply, 0: none */
	char text[128]; /* its beginning */
	char source[48];
};

struct report;

struct report *report_new(double seconds, FILE *trace);
void report_free(struct report *report);
void report_offered(struct report *report, double at_s);
void report_attempt(struct report *report, const struct attempt *attempt);
/* A message that will not be tried again. */
void report_given_up(struct report *report);
/* A new reference. `late_s`: the largest delay of the generator itself. */
json_t *report_json(struct report *report, double late_s, double cpu_s);
void report_text(struct report *report, double late_s, FILE *out);

#endif
