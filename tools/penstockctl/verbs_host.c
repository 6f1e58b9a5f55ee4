/* The verbs that look at this host directly, whether penstockd runs or not. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "publish/support.h"
#include "penstockctl/judged.h"
#include "penstockctl/show.h"
#include "penstockctl/verb_check.h"
#include "penstockctl/verb_history.h"
#include "penstockctl/verbs_run.h"

static void print_errors(const struct config_errors *errors)
{
	for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
		char line[640];

		config_error_print(&errors->error[i], line, sizeof(line));
		fprintf(stderr, "%s\n", line);
	}
}

static void print_support(const struct judged *j, bool json)
{
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);

	if (j->words[0])
		text_append(&out, "%s\n", j->words);
	support_print(&j->config, &out);
	if (json) {
		json_t *answer = json_pack("{s:s}", "text", buffer);

		ask_print(answer);
		json_decref(answer);
	} else {
		fputs(buffer, stdout);
	}
}

/* Like `penstockd --support`, but with the privileges of this process and not of the daemon. */
int verb_support(const struct options *o)
{
	struct judged *j;
	int r = judged_read(o, &j);

	if (r == 0)
		print_support(j, o->json);
	else if (j)
		print_errors(&j->errors);
	judged_free(j);
	return r == 0 ? EXIT_FINE : EXIT_SAID_NO;
}

int verb_check(const struct options *o)
{
	struct judged *j;
	int r = judged_read(o, &j), code = EXIT_SAID_NO;

	if (r == 0)
		code = show_check(&j->config, o->root, j->file, j->words, j->status, o->json);
	else if (j)
		code = show_check_config(&j->errors, o->json);
	judged_free(j);
	return code;
}

/* Reads the file directly, so it also shows what happened before penstockd ended. */
int verb_history(const struct options *o)
{
	struct judged *j;
	int r = judged_read(o, &j), code = EXIT_SAID_NO;

	if (r == 0) {
		if (j->words[0] && !o->json)
			printf("%s\n", j->words);
		code = show_history(j->config.state_dir, o->since, o->until, o->json);
	} else if (j) {
		code = show_check_config(&j->errors, false);
	}
	judged_free(j);
	return code;
}
