#include "penstockctl/verb_check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "check/check.h"
#include "penstockctl/check_live.h"

static void print_json(const struct check *c, const char *judged)
{
	json_t *findings = json_array(), *skipped = json_array(), *whole;

	for (unsigned i = 0; i < c->findings && i < CHECK_FINDINGS; i++)
		json_array_append_new(
			findings, json_pack("{s:s, s:s, s:s, s:s}", "id", c->finding[i].id,
					    "severity", check_severity_name(c->finding[i].severity),
					    "what", c->finding[i].what, "do", c->finding[i].todo));
	for (unsigned i = 0; i < c->skipped; i++)
		json_array_append_new(skipped, json_string(c->skip[i]));
	whole = json_pack("{s:o, s:o, s:s}", "findings", findings, "not_checked", skipped, "judged",
			  judged);
	json_dumpf(whole, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(whole);
}

/* 2 and 3 are taken: for every verb they mean wrong usage, and a daemon that cannot be reached. */
static int exit_code(const struct check *c)
{
	static const int codes[] = { [CHECK_NOTE] = 0, [CHECK_WARNING] = 1, [CHECK_ERROR] = 4 };

	return codes[check_worst(c)];
}

static int print(const struct check *c, const char *judged, bool json)
{
	if (json) {
		print_json(c, judged);
		return exit_code(c);
	}
	if (judged[0])
		printf("%s\n", judged);
	for (unsigned i = 0; i < c->findings && i < CHECK_FINDINGS; i++)
		printf("%s: %s: %s\n    do: %s\n", check_severity_name(c->finding[i].severity),
		       c->finding[i].id, c->finding[i].what, c->finding[i].todo);
	for (unsigned i = 0; i < c->skipped; i++)
		printf("not looked at: %s\n", c->skip[i]);
	if (c->findings)
		printf("%u found\n", c->findings);
	else
		printf("nothing found\n");
	return exit_code(c);
}

int show_check(const struct config *config, const char *root, const char *file, const char *judged,
	       const json_t *status, bool json)
{
	_cleanup_free_ struct check *c = calloc(1, sizeof(*c));

	if (!c)
		return 1;
	c->config = config;
	c->root = root ? root : "";
	check_run(c);
	if (status)
		check_live(c, file, status);
	else if (!root)
		check_skip(c, "the running penstockd: it does not answer");
	return print(c, judged, json);
}

int show_check_config(const struct config_errors *errors, bool json)
{
	_cleanup_free_ struct check *c = calloc(1, sizeof(*c));
	char line[640];

	if (!c)
		return 1;
	for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
		config_error_print(&errors->error[i], line, sizeof(line));
		check_found(c, "configuration", line, "%s",
			    "correct it, run penstockd --check-config, then penstockctl reload");
	}
	return print(c, "", json);
}
