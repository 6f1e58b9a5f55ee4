/* Tells the history: sentences and a table for people, JSON for machines. Pure functions of records
 * in order of time (core/history.h). */
#ifndef PENSTOCK_PUBLISH_HISTORY_TELL_H
#define PENSTOCK_PUBLISH_HISTORY_TELL_H

#include <jansson.h>

#include "base/text.h"
#include "core/history.h"

/* Something that was so for a while, or happened at one moment (until_s == from_s). */
struct history_event {
	uint64_t from_s, until_s; /* CLOCK_REALTIME */
	char text[512]; /* the predicate, with a full stop: "deferred 41 % (8,112 of ...)." */
};

/* Finds events in records that come in parts, in order of time. */
struct history_teller {
	void (*event)(void *context, const struct history_event *event);
	void *context;
	struct history_record sum; /* of the stretch that has not ended yet */
	unsigned kind; /* enum headline_kind: of it; HEADLINE_NORMAL: none */
	uint64_t end_s;
	/* The stretch of time in which clients waited for a place, which another may overlap;
	 * seconds == 0: there is none. */
	struct history_record waits;
	uint64_t waits_end_s;
	uint64_t last_s; /* the end of the last record; 0: there was none */
	unsigned mode; /* enum plan_mode of the last record */
	bool any;
};

void history_teller_begin(struct history_teller *teller,
			  void (*event)(void *context, const struct history_event *event),
			  void *context);
void history_teller_feed(struct history_teller *teller, const struct history_record *records,
			 size_t count);
void history_teller_end(struct history_teller *teller);

/* One sentence for each stretch of time, in a line of its own: "03:12 to 03:19 deferred 41 % (8,112
 * of 19,785 connections, about 2,930 sources): disk 100 %; highest pressure: disk, fsync_p99_us 1.9
 * s, driven by backup.service". If several services had connections, each has its share. Another
 * line says how many clients waited for a place, for how long, and what became of them. Times are
 * local. */
void history_sentences(const struct history_record *records, size_t count, struct text *out);
/* About `lines` lines of at most 79 columns, each of as many records as it takes. */
void history_table(const struct history_record *records, size_t count, unsigned lines,
		   struct text *out);
/* {"period_s": 10, "records": [{"at": ..., "offered": ...}]}, without the names of neighbours
 * unless `privileged`. NULL: out of memory. */
json_t *history_json(const struct history_record *records, size_t count, bool privileged);

#endif
