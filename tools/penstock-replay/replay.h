/* Feeds a recorded trace to an engine of this build, record by record, and compares its answers
 * with the recorded ones. Knows nothing of files or output. */
#ifndef PENSTOCK_REPLAY_REPLAY_H
#define PENSTOCK_REPLAY_REPLAY_H

#include "config/config.h"
#include "store/trace.h"

struct replay_options {
	const char *file; /* a configuration instead of the recorded one; NULL: none */
	const char *const *overrides; /* "section.key=value", on top of either */
	unsigned overrides_count;
};

/* Verdicts since the last tick: the recorded ones, and those that the replayed plan would give. The
 * latter are an estimate without feedback: the trace does not say when in the tick a client came,
 * nor how many waited for a greeting then. */
struct replay_verdicts {
	uint64_t admitted, deferred, deferred_for[REASON__COUNT];
};

struct replay {
	struct replay_options options;
	struct trace_head head;
	struct config config; /* in force */
	struct engine_config engine_config; /* made from it */
	struct engine engine;
	bool configured; /* there is an engine */
	bool synced; /* its state was taken from the recorded one */
	/* the recorded state is of another build, so it began from the configuration */
	bool foreign_image;
	uint8_t *block; /* the table of sources */
	uint64_t block_size;
	struct source_table *table;
	bool table_synced;
	struct plan plan; /* replayed, of the last tick */
	struct load load; /* of the last tick */
	struct plan_bucket bucket[PLAN_SERVICES];
	double in_flight[PLAN_SERVICES]; /* at the last tick, plus those admitted since */
	uint64_t last_us; /* of the last tick, 0: none yet */
	struct replay_verdicts recorded, replayed;
};

/* The result of a tick. */
struct replay_tick {
	const struct trace_tick *recorded;
	struct sample sample; /* with the signals that the engine derived */
	struct plan plan;
	struct trace_answer answer;
	struct replay_verdicts verdicts_recorded, verdicts_replayed;
	bool compared; /* false: records before it are missing, and the engine's state is unknown */
	bool ranked; /* the values that the table of sources sets are compared, too */
	bool differs;
	/* number of the first answer that differs; -1: only in the plan (salt, order, epoch) */
	int first;
};

/* `head` is the trace's first record. */
void replay_init(struct replay *replay, const struct replay_options *options,
		 const struct trace_head *head);
void replay_done(struct replay *replay);
/* Notes that a part of the file is missing here. */
void replay_gap(struct replay *replay);
/* Takes the next record. 1: it was a tick, `ret_tick` is filled; 0: it was something else; -EINVAL
 * with a sentence in `why` (512): a configuration cannot be used, or a tick comes before there is
 * one. */
int replay_take(struct replay *replay, const struct trace_record *record,
		struct replay_tick *ret_tick, char *why);

#endif
