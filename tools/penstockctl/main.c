/* penstockctl: asks penstockd, and gives it orders, over the control socket. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/output.h"
#include "base/parse.h"
#include "penstockctl/verbs_run.h"
#include "penstockctl/wrap.h"

/* ---- verbs ---------------------------------------------------------------------------------- */

int verb_version(const struct options *o)
{
	if (o->json)
		puts("{\"version\": \"" PENSTOCK_VERSION "\"}");
	else
		puts("penstockctl " PENSTOCK_VERSION);
	return EXIT_FINE;
}

static int no_such_verb(const char *typed)
{
	const char *nearest = verbs_nearest(typed);

	fprintf(stderr, "penstockctl: there is no verb \"%s\"", typed);
	if (nearest)
		fprintf(stderr, "; did you mean \"%s\"?\n", nearest);
	else
		fprintf(stderr, "; `penstockctl --help` lists them\n");
	return EXIT_USAGE;
}

int verb_help(const struct options *o)
{
	if (o->count < 2)
		verbs_usage(stdout);
	else if (verbs_help(o->words[1], stdout) < 0)
		return no_such_verb(o->words[1]);
	return EXIT_FINE;
}

int verb_completion(const struct options *o)
{
	if (o->count == 2 && verbs_completion(o->words[1], stdout) == 0)
		return EXIT_FINE;
	fprintf(stderr, "penstockctl: completion needs one word: bash, zsh or fish\n");
	return EXIT_USAGE;
}

static const struct {
	const char *name;
	int most; /* most words after the verb */
	int (*run)(const struct options *options);
} verbs[] = {
#define X(name, words, most, ...) { #name, most, verb_##name },
	VERB_TABLE(X)
#undef X
};

/* ---- argv ----------------------------------------------------------------------------------- */

static int take_for(const char *text, struct options *o)
{
	if (parse_duration_us(text, &o->for_us) == 0 && o->for_us >= US_PER_S)
		return 0;
	fprintf(stderr,
		"penstockctl: --for %s: give a duration of a second or more, like 30m or 2h\n",
		text);
	return -1;
}

static int take_limit(const char *text, struct options *o)
{
	if (parse_u64(text, &o->limit) == 0)
		return 0;
	fprintf(stderr, "penstockctl: --limit %s: give a number\n", text);
	return -1;
}

static int take_override(const char *text, struct options *o)
{
	if (o->overrides_count == ARRAY_SIZE(o->overrides)) {
		fprintf(stderr, "penstockctl: at most %zu options -o\n", ARRAY_SIZE(o->overrides));
		return -1;
	}
	o->overrides[o->overrides_count++] = text;
	return 0;
}

/* Where the text of an option goes; NULL: it takes none, or not as it is. */
static const char **text_of(int option, struct options *o)
{
	switch (option) {
	case 'd':
		return &o->run_dir;
	case 'r':
		return &o->reason;
	case 'R':
		return &o->root;
	case 's':
		return &o->sort;
	case 'S':
		return &o->since;
	case 'U':
		return &o->until;
	case 'c':
		return &o->file;
	default:
		return NULL;
	}
}

static int take(int option, const char *text, struct options *o)
{
	const char **to = text_of(option, o);

	if (to)
		*to = text;
	switch (option) {
	case 'j':
		o->json = true;
		break;
	case 'e':
		o->exit_code = true;
		break;
	case 'h':
		o->help = true;
		break;
	case 'l':
		return take_limit(text, o);
	case 'o':
		return take_override(text, o);
	case 'f':
		return take_for(text, o);
	default:
		return to ? 0 : -1;
	}
	return 0;
}

/* After a wrong option: the help of the verb on the command line, if there is one. */
static void say_help(char **argv)
{
	for (char **word = argv + 1; *word; word++)
		for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
			if (strcmp(verbs[i].name, *word) == 0) {
				fprintf(stderr, "Try 'penstockctl %s --help'.\n", *word);
				return;
			}
	fprintf(stderr, "Try 'penstockctl --help'.\n");
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "run-dir", required_argument, NULL, 'd' },
					       { "json", no_argument, NULL, 'j' },
					       { "exit-code", no_argument, NULL, 'e' },
					       { "for", required_argument, NULL, 'f' },
					       { "reason", required_argument, NULL, 'r' },
					       { "root", required_argument, NULL, 'R' },
					       { "sort", required_argument, NULL, 's' },
					       { "limit", required_argument, NULL, 'l' },
					       { "since", required_argument, NULL, 'S' },
					       { "until", required_argument, NULL, 'U' },
					       { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	static char *version[] = { "version" };
	int option;

	while ((option = getopt_long(argc, argv, "c:o:h", longs, NULL)) >= 0) {
		if (option == 'V') {
			o->words = version;
			o->count = 1;
			return 0;
		}
		if (option == '?') {
			say_help(argv);
			return -1;
		}
		if (take(option, optarg, o) < 0)
			return -1;
	}
	o->count = argc - optind;
	o->words = argv + optind;
	return 0;
}

int main(int argc, char **argv)
{
	static struct options o = { .run_dir = RUN_DIR_DEFAULT };

	output_check_at_exit("penstockctl", EXIT_SAID_NO);
	wrap_terminals();
	if (parse(argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (o.help && o.count == 0)
		return verb_help(&o);
	if (o.help)
		return verbs_help(o.words[0], stdout) < 0 ? no_such_verb(o.words[0]) : EXIT_FINE;
	if (o.count == 0) {
		fprintf(stderr, "penstockctl: give a verb; `penstockctl --help` lists them\n");
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, o.words[0]) != 0)
			continue;
		if (o.count - 1 > verbs[i].most) {
			fprintf(stderr, "penstockctl: %s: too many arguments\n", o.words[0]);
			return EXIT_USAGE;
		}
		return verbs[i].run(&o);
	}
	return no_such_verb(o.words[0]);
}
