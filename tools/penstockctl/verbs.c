#include "penstockctl/verbs.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/array.h"
#include "base/typo.h"

static const struct verb {
	const char *name, *words;
	int most;
	const char *options, *what, *example;
} verbs[] = {
#define X(name, words, most, options, what, example) { #name, words, most, options, what, example },
	VERB_TABLE(X)
#undef X
};

/* Every option of any verb. `value`: the name of its argument; NULL: it takes none. `choices`: for
 * completion. */
static const struct option_info {
	const char *name;
	char letter; /* 0: none */
	const char *value, *choices, *what;
	const char *verb; /* NULL: it means the same for all verbs that take it */
} options[] = {
	{ "json", 0, NULL, NULL, "print JSON, for programs", NULL },
	{ "exit-code", 0, NULL, NULL, "exit with 10 + level: 10 is normal, 12 shedding", NULL },
	{ "sort", 0, "KEY", "rate age attempts", "by rate, age or attempts (default rate)", NULL },
	{ "limit", 0, "N", NULL, "at most N sources (default 100)", NULL },
	{ "since", 0, "TIME", NULL, "from 03:00, \"2026-01-31 03:00\" or 2h ago (default 24h)",
	  NULL },
	{ "until", 0, "TIME", NULL, "end at such a time (default now)", "history" },
	{ "until", 0, "TIME", NULL, "end then: 04:00 (the next) or \"2026-01-31 04:00\"", "drain" },
	{ "for", 0, "TIME", NULL, "end after 30m or 2h (default: at resume)", NULL },
	{ "reason", 0, "TEXT", NULL, "shown in status, on the page and in the journal", NULL },
	{ "root", 0, "DIR", NULL, "check the files below DIR instead of this host's", NULL },
	{ "config", 'c', "FILE", NULL, "the configuration to judge by (default: penstockd's)",
	  NULL },
	{ "override", 'o', "S.K=VALUE", NULL, "an option in place of the one in the file", NULL },
	{ "run-dir", 0, "DIR", NULL, "directory of the control socket (default /run/penstock)",
	  NULL },
	{ "help", 'h', NULL, NULL, "this text", NULL },
};

static bool takes(const struct verb *v, const struct option_info *info)
{
	const char *at = v->options, *option = info->name;
	size_t length = strlen(option);

	if (info->verb && strcmp(info->verb, v->name) != 0)
		return false;
	if (strcmp(option, "run-dir") == 0 || strcmp(option, "help") == 0)
		return true;
	while ((at = strstr(at, option))) {
		bool begins = at == v->options || at[-1] == ' ';

		if (begins && (at[length] == 0 || at[length] == ' '))
			return true;
		at += length;
	}
	return false;
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* Whether people type it with one letter: -c and -o have no long name. */
static bool has_letter(const struct option_info *o)
{
	return o->letter && o->letter != 'h';
}

void verbs_usage(FILE *out)
{
	fprintf(out, "Usage: penstockctl [--run-dir DIR] VERB [OPTION]...\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		int n = fprintf(out, "  %s%s%s", verbs[i].name, verbs[i].words[0] ? " " : "",
				verbs[i].words);

		fprintf(out, "%*s%s\n", n < 30 ? 30 - n : 1, "", verbs[i].what);
	}
	fprintf(out,
		"\n`penstockctl VERB --help` lists the options of a verb.\n"
		"Exit codes: 0 success, 1 penstockd refused, 2 wrong usage, 3 penstockd cannot be\n"
		"reached, 4 check found an error; status --exit-code: 10 + level.\n");
}

int verbs_help(const char *name, FILE *out)
{
	const struct verb *v = find(name);

	if (!v)
		return -ENOENT;
	fprintf(out, "Usage: penstockctl %s%s%s [OPTION]...\n%c%s.\n\n", v->name,
		v->words[0] ? " " : "", v->words, toupper(v->what[0]), v->what + 1);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option_info *o = &options[i];
		int n;

		if (!takes(v, o))
			continue;
		if (has_letter(o))
			n = fprintf(out, "  -%c %s", o->letter, o->value);
		else
			n = fprintf(out, "  --%s%s%s", o->name, o->value ? " " : "",
				    o->value ? o->value : "");
		fprintf(out, "%*s%s\n", n < 24 ? 24 - n : 1, "", o->what);
	}
	fprintf(out, "\nExample: %s\n", v->example);
	return 0;
}

const char *verbs_nearest(const char *typed)
{
	const char *nearest = NULL;
	unsigned best = 3;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		unsigned d = typo_distance(typed, verbs[i].name);

		/* The first letters of a verb stand for it. */
		if (strlen(typed) >= 3 && strncmp(verbs[i].name, typed, strlen(typed)) == 0)
			d = 1;
		if (d < best && d < strlen(verbs[i].name)) {
			best = d;
			nearest = verbs[i].name;
		}
	}
	return nearest;
}

/* Prints the words that a verb takes, separated by blanks: "observe enforce"; nothing if any word
 * is possible. */
static void put_choices(const struct verb *v, FILE *out)
{
	if (strcmp(v->name, "help") == 0)
		for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
			fprintf(out, "%s ", verbs[i].name);
	else if (strchr(v->words, '|'))
		for (const char *c = v->words; *c; c++)
			fputc(*c == '|' ? ' ' : *c, out);
}

static void put_option(const struct verb *v, const struct option_info *o, FILE *out)
{
	if (!takes(v, o) || strcmp(o->name, "run-dir") == 0)
		return;
	if (has_letter(o))
		fprintf(out, " -%c", o->letter);
	else
		fprintf(out, " --%s", o->name);
}

static void put_bash(FILE *out)
{
	fprintf(out,
		"# Made by `penstockctl completion bash` from its table of verbs.\n"
		"_penstockctl() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= i\n"
		"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		"\t\tcase ${COMP_WORDS[i]} in\n"
		"\t\t--run-dir) ((i++)) ;;\n"
		"\t\t-*) ;;\n"
		"\t\t*) verb=${COMP_WORDS[i]}; break ;;\n"
		"\t\tesac\n"
		"\tdone\n"
		"\tcase $prev in\n"
		"\t--run-dir|--root) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
		"\t-c) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
		"\t--sort) COMPREPLY=($(compgen -W 'rate age attempts' -- \"$cur\")); return ;;\n"
		"\t--for|--reason|--limit|-o) return ;;\n"
		"\tesac\n"
		"\tcase $verb in\n\t'') COMPREPLY=($(compgen -W '--run-dir --help");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, " %s", verbs[i].name);
	fprintf(out, "' -- \"$cur\")) ;;\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		fprintf(out, "\t%s) COMPREPLY=($(compgen -W '", verbs[i].name);
		put_choices(&verbs[i], out);
		for (size_t o = 0; o < ARRAY_SIZE(options); o++)
			put_option(&verbs[i], &options[o], out);
		fprintf(out, "' -- \"$cur\")) ;;\n");
	}
	fprintf(out, "\tesac\n}\ncomplete -F _penstockctl penstockctl\n");
}

/* Prints text for single quotes of a shell; brackets and colons have a meaning in zsh. */
static void put_plain(const char *text, FILE *out)
{
	for (; *text; text++)
		if (strchr("'[]:", *text))
			fputc(' ', out);
		else
			fputc(*text, out);
}

static void put_zsh(FILE *out)
{
	fprintf(out, "#compdef penstockctl\n"
		     "# Made by `penstockctl completion zsh` from its table of verbs.\n"
		     "local -a verbs\nverbs=(\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		fprintf(out, "\t'%s:", verbs[i].name);
		put_plain(verbs[i].what, out);
		fprintf(out, "'\n");
	}
	fprintf(out,
		")\nlocal curcontext=$curcontext state line\n"
		"_arguments -C '--run-dir[where the control socket is]:directory:_directories' "
		"'1:verb:->verb' '*::argument:->rest'\n"
		"case $state in\nverb) _describe verb verbs ;;\nrest)\n\tcase $line[1] in\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		fprintf(out, "\t%s) _arguments", verbs[i].name);
		for (size_t o = 0; o < ARRAY_SIZE(options); o++) {
			const struct option_info *info = &options[o];

			if (!takes(&verbs[i], info) || strcmp(info->name, "run-dir") == 0)
				continue;
			if (has_letter(info))
				fprintf(out, " '-%c[", info->letter);
			else
				fprintf(out, " '--%s[", info->name);
			put_plain(info->what, out);
			fprintf(out, "]");
			if (info->choices)
				fprintf(out, ":%s:(%s)", info->value, info->choices);
			else if (info->value)
				fprintf(out, ":%s:%s", info->value,
					strcmp(info->value, "DIR") == 0	   ? "_directories"
					: strcmp(info->value, "FILE") == 0 ? "_files"
									   : " ");
			fprintf(out, "'");
		}
		if (verbs[i].most) {
			fprintf(out, " '1:argument:(");
			put_choices(&verbs[i], out);
			fprintf(out, ")'");
		}
		fprintf(out, " ;;\n");
	}
	fprintf(out, "\tesac ;;\nesac\n");
}

static void put_fish(FILE *out)
{
	fprintf(out, "# Made by `penstockctl completion fish` from its table of verbs.\n"
		     "complete -c penstockctl -f\n"
		     "complete -c penstockctl -l run-dir -r -d 'where the control socket is'\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		const struct verb *v = &verbs[i];

		fprintf(out, "complete -c penstockctl -n __fish_use_subcommand -a %s -d '",
			v->name);
		put_plain(v->what, out);
		fprintf(out, "'\n");
		if (v->most && (strchr(v->words, '|') || strcmp(v->name, "help") == 0)) {
			fprintf(out,
				"complete -c penstockctl -n '__fish_seen_subcommand_from %s' -a '",
				v->name);
			put_choices(v, out);
			fprintf(out, "'\n");
		}
		for (size_t o = 0; o < ARRAY_SIZE(options); o++) {
			const struct option_info *info = &options[o];

			if (!takes(v, info) || strcmp(info->name, "run-dir") == 0)
				continue;
			fprintf(out, "complete -c penstockctl -n '__fish_seen_subcommand_from %s' ",
				v->name);
			if (has_letter(info))
				fprintf(out, "-o %c", info->letter);
			else
				fprintf(out, "-l %s", info->name);
			if (info->choices)
				fprintf(out, " -x -a '%s'", info->choices);
			else if (info->value)
				fprintf(out, strstr("DIR FILE", info->value) ? " -r" : " -x");
			fprintf(out, " -d '");
			put_plain(info->what, out);
			fprintf(out, "'\n");
		}
	}
}

int verbs_completion(const char *shell, FILE *out)
{
	static const struct {
		const char *shell;
		void (*put)(FILE *out);
	} all[] = { { "bash", put_bash }, { "zsh", put_zsh }, { "fish", put_fish } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i].shell, shell) == 0) {
			all[i].put(out);
			return 0;
		}
	return -ENOENT;
}
