/* penstock-replay: shows what the engine of this build answers to a recorded trace, tick by tick,
 * and where that differs from the recorded answers. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/output.h"
#include "base/parse.h"
#include "penstock-replay/show.h"

#define OVERRIDES 64
#define SHOWN_DIFFERENCES 40

enum { EXIT_SAME = 0, EXIT_DIFFERS = 1, EXIT_USAGE = 2, EXIT_UNREADABLE = 3 };

static const char usage[] =
	"Usage: penstock-replay [-c FILE] [-o SECTION.KEY=VALUE]... [--diff] [--json] [--from TIME] [--to TIME] TRACE\n"
	"Gives a trace that penstockd recorded (daemon.record) to the engine of this build, and prints its answers tick by tick.\n"
	"\n"
	"  -c, --config FILE   this configuration instead of the recorded one\n"
	"  -o KEY=VALUE        one option instead of the recorded one: -o target.cpu_stall_ratio=50%\n"
	"      --diff          only ticks whose answers differ from the recorded ones by a bit, the first in full; exit 1 if any\n"
	"      --json          one JSON object a line\n"
	"      --from TIME     print from there on: 90, 20ms, 5min since the recording began\n"
	"      --to TIME       up to there\n"
	"      --version\n"
	"  -h, --help\n"
	"\n"
	"Exit status: 0 fine; 1 --diff found a difference; 2 usage or configuration; 3 nothing in the file can be replayed.\n";

struct options {
	struct replay_options replay;
	const char *overrides[OVERRIDES];
	bool diff, json;
	uint64_t from_us, to_us;
	const char *path;
};

struct totals {
	uint64_t ticks, compared, different;
	struct replay_verdicts recorded, replayed;
	bool ranks_unknown, shown;
	uint64_t last_us;
};

static int take_options(int argc, char **argv, struct options *o)
{
	enum { DIFF = 256, JSON, FROM, TO, VERSION };
	static const struct option longs[] = { { "config", required_argument, NULL, 'c' },
					       { "diff", no_argument, NULL, DIFF },
					       { "json", no_argument, NULL, JSON },
					       { "from", required_argument, NULL, FROM },
					       { "to", required_argument, NULL, TO },
					       { "version", no_argument, NULL, VERSION },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	int c;

	o->to_us = UINT64_MAX;
	o->replay.overrides = o->overrides;
	output_check_at_exit("penstock-replay", EXIT_FAILURE);
	while ((c = getopt_long(argc, argv, "c:o:h", longs, NULL)) != -1) {
		uint64_t *time = c == FROM ? &o->from_us : &o->to_us;

		if (c == 'h' || c == VERSION) {
			fputs(c == 'h' ? usage : "penstock-replay " PENSTOCK_VERSION "\n", stdout);
			exit(EXIT_SUCCESS);
		}
		if (c == 'c') {
			o->replay.file = optarg;
		} else if (c == 'o' && o->replay.overrides_count < OVERRIDES) {
			o->overrides[o->replay.overrides_count++] = optarg;
		} else if (c == DIFF) {
			o->diff = true;
		} else if (c == JSON) {
			o->json = true;
		} else if ((c == FROM || c == TO) && parse_duration_us(optarg, time) == 0) {
			continue;
		} else {
			if (c == FROM || c == TO)
				fprintf(stderr,
					"penstock-replay: '%s' is not a time such as 90, 20ms, 5min\n",
					optarg);
			else if (c == 'o')
				fprintf(stderr, "penstock-replay: more than %d -o options\n",
					OVERRIDES);
			fputs("Try 'penstock-replay --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc) {
		fputs("penstock-replay: give one trace\nTry 'penstock-replay --help'.\n", stderr);
		return EXIT_USAGE;
	}
	o->path = argv[optind];
	return -1;
}

static void add(struct replay_verdicts *to, const struct replay_verdicts *v)
{
	to->admitted += v->admitted;
	to->deferred += v->deferred;
}

static void take_tick(const struct options *o, const struct replay *r, const struct replay_tick *t,
		      struct totals *totals)
{
	uint64_t at_us = t->recorded->sample.now_us - r->head.now_us;
	bool differs = t->compared && t->differs;

	totals->ticks++;
	totals->last_us = at_us;
	totals->compared += t->compared;
	totals->ranks_unknown |= t->compared && !t->ranked;
	totals->different += differs;
	add(&totals->recorded, &t->verdicts_recorded);
	add(&totals->replayed, &t->verdicts_replayed);
	if (at_us < o->from_us || at_us > o->to_us || (o->diff && !differs))
		return;
	if (o->json) {
		show_json(stdout, r, t);
	} else if (!o->diff) {
		show_tick(stdout, r, t);
	} else if (!totals->shown) {
		fputs("First difference, at ", stdout);
		show_differences(stdout, r, t, SHOWN_DIFFERENCES);
		totals->shown = true;
	}
}

static void say_totals(const struct options *o, const struct replay *r, const struct totals *t)
{
	FILE *out = o->json ? stderr : stdout;

	fprintf(out, "%" PRIu64 " ticks over %.1f s, %" PRIu64 " compared, %" PRIu64 " differ",
		t->ticks, (double)t->last_us / 1e6, t->compared, t->different);
	fprintf(out,
		"; verdicts: %" PRIu64 " admitted and %" PRIu64
		" deferred, the replay about %" PRIu64 " and %" PRIu64 "\n",
		t->recorded.admitted, t->recorded.deferred, t->replayed.admitted,
		t->replayed.deferred);
	if (r->foreign_image)
		fprintf(out,
			"The recorded state of the engine is of another build: the replay began with nothing learned, and differs until it has\n");
	if (t->ranks_unknown)
		fprintf(out,
			"The table of sources is not whole in this trace: cut-offs are not compared everywhere\n");
}

/* Reports damage, and continues after it. Returns whether there was another frame. */
static bool next_record(struct trace_reader *reader, const char *path,
			const struct trace_head *head, struct trace_record *ret, bool *ret_gap)
{
	const void *payload;
	size_t length, skipped = 0, at;
	int r;

	for (;;) {
		at = reader->at;
		r = trace_next(reader, &payload, &length, &skipped);
		if (r == 0)
			return false;
		if (r == -ENODATA) {
			fprintf(stderr,
				"penstock-replay: %s is cut short in its last frame: %zu bytes are left out\n",
				path, skipped);
			return false;
		}
		if (r > 0 && trace_get(payload, length, head, ret) == 0)
			return true;
		if (r == -EPROTONOSUPPORT && !head) {
			fprintf(stderr,
				"penstock-replay: Cannot read %s: it was written by another version of penstock. Use the penstock-replay of that version.\n",
				path);
			exit(EXIT_UNREADABLE);
		}
		fprintf(stderr, "penstock-replay: %s %s at byte %zu: it is left out there\n", path,
			r == -EPROTONOSUPPORT ? frame_error(r) : "is damaged", at);
		*ret_gap = true;
	}
}

static int replay_all(const struct options *o, struct replay *r, struct trace_reader *reader,
		      struct trace_record *record, struct totals *totals)
{
	static struct replay_tick tick;
	struct trace_head head = r->head;
	char why[512] = "";
	bool gap = false;

	while (next_record(reader, o->path, &head, record, &gap)) {
		int result;

		if (gap)
			replay_gap(r);
		gap = false;
		if (!o->diff)
			show_record(stdout, r, record, o->json);
		result = replay_take(r, record, &tick, why);
		if (result < 0) {
			fprintf(stderr, "penstock-replay: %s\n", why);
			return record->type == TRACE_CONFIG ? EXIT_USAGE : EXIT_UNREADABLE;
		}
		if (result > 0)
			take_tick(o, r, &tick, totals);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct replay replay;
	static struct trace_record record;
	struct trace_reader reader;
	struct totals totals = { 0 };
	bool gap = false;
	int r = take_options(argc, argv, &o);

	if (r >= 0)
		return r;
	r = trace_map(o.path, &reader);
	if (r < 0) {
		fprintf(stderr, "penstock-replay: %s: %s\n", o.path,
			r == -ENODATA ? "is empty, or no file" : strerror(-r));
		return EXIT_UNREADABLE;
	}
	if (!next_record(&reader, o.path, NULL, &record, &gap) || record.type != TRACE_HEAD) {
		fprintf(stderr, "penstock-replay: %s is no trace: its head cannot be read\n",
			o.path);
		return EXIT_UNREADABLE;
	}
	replay_init(&replay, &o.replay, &record.head);
	if (!o.json)
		printf("%s, recorded by %s %s on %g CPUs\n", o.path, record.head.recorder,
		       record.head.version, record.head.cores);
	if (!o.json && !o.diff)
		show_columns(stdout);
	r = replay_all(&o, &replay, &reader, &record, &totals);
	if (r == 0) {
		say_totals(&o, &replay, &totals);
		if (!totals.ticks) {
			fprintf(stderr, "penstock-replay: there is no tick in %s\n", o.path);
			r = EXIT_UNREADABLE;
		} else if (o.diff && totals.different) {
			r = EXIT_DIFFERS;
		}
	}
	replay_done(&replay);
	return r;
}
