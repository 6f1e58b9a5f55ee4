/* The table of verbs of penstockctl: its --help, the help of each verb, the completions for shells
 * and "did you mean" are made from it. verbs_run.h has the functions.
 *
 * X(name, words, most, options, what, example). `words`: what comes after the verb, for people;
 * `most`: the largest number of these; `options`: the long options that it takes, separated by
 * blanks; `what`: one line. */
#ifndef PENSTOCKCTL_VERBS_H
#define PENSTOCKCTL_VERBS_H

#include <stdio.h>

/* clang-format off */
#define VERB_TABLE(X) \
	X(status, "", 0, "json exit-code", "what is decided now, and why: level, window", \
	  "penstockctl status --json") \
	X(top, "", 0, "", "the same on the whole screen, live", "penstockctl top") \
	X(explain, "[ADDRESS]", 1, "json", "the steps from measurement to reply", \
	  "penstockctl explain 203.0.113.9") \
	X(sources, "", 0, "sort limit json", "clients, their rates, and which are deferred", \
	  "penstockctl sources --sort age --limit 20") \
	X(fleet, "", 0, "json", "all hosts: level, window, in flight, demand", \
	  "penstockctl fleet") \
	X(history, "", 0, "since until json config override", \
	  "what happened before, in sentences and a table", \
	  "penstockctl history --since 03:00 --until 04:00") \
	X(watch, "", 0, "json", "changes of level, state and mode as they happen", \
	  "penstockctl watch --json") \
	X(drain, "", 0, "for until reason", "defer all new connections until resume", \
	  "penstockctl drain --for 30m --reason \"kernel update\"") \
	X(resume, "", 0, "", "end a drain", "penstockctl resume") \
	X(mode, "observe|enforce", 1, "", "change the mode until the next restart or reload", \
	  "penstockctl mode observe") \
	X(reload, "", 0, "", "read the configuration again", \
	  "penstockctl reload") \
	X(support, "", 0, "config override json", "which signals kernel and privileges allow", \
	  "penstockctl support") \
	X(check, "", 0, "json root config override", \
	  "what on this host would stop mail, and what to do", \
	  "penstockctl check --root /var/lib/machines/mx1") \
	X(completion, "bash|zsh|fish", 1, "", "print the completions for a shell", \
	  "penstockctl completion bash") \
	X(version, "", 0, "json", "the version", "penstockctl version") \
	X(help, "[VERB]", 1, "", "this text, or the help of a verb", "penstockctl help drain")
/* clang-format on */

/* The usage of all verbs. */
void verbs_usage(FILE *out);
/* Prints the help of one verb. 0, or -ENOENT: there is no such verb. */
int verbs_help(const char *name, FILE *out);
/* The verb that is nearest to what was typed; NULL: none is near. */
const char *verbs_nearest(const char *typed);
/* Prints the completions for "bash", "zsh" or "fish". 0 or -ENOENT. */
int verbs_completion(const char *shell, FILE *out);

#endif
