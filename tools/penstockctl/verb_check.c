#include "penstockctl/verb_check.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "check/check.h"

static void print_json(const struct check *c)
{
	json_t *findings = json_array(), *skipped = json_array(), *whole;

	for (unsigned i = 0; i < c->findings && i < CHECK_FINDINGS; i++)
		json_array_append_new(findings,
				      json_pack("{s:s, s:s, s:s}", "id", c->finding[i].id, "what",
						c->finding[i].what, "do", c->finding[i].todo));
	for (unsigned i = 0; i < c->skipped; i++)
		json_array_append_new(skipped, json_string(c->skip[i]));
	whole = json_pack("{s:o, s:o}", "findings", findings, "not_checked", skipped);
	json_dumpf(whole, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(whole);
}

static int print(const struct check *c, bool json)
{
	if (json) {
		print_json(c);
		return c->findings ? 1 : 0;
	}
	for (unsigned i = 0; i < c->findings && i < CHECK_FINDINGS; i++)
		printf("%s: %s\n    do: %s\n", c->finding[i].id, c->finding[i].what,
		       c->finding[i].todo);
	for (unsigned i = 0; i < c->skipped; i++)
		printf("not looked at: %s\n", c->skip[i]);
	if (c->findings)
		printf("%u found\n", c->findings);
	else
		printf("nothing found\n");
	return c->findings ? 1 : 0;
}

int show_check(const struct config *config, const char *root, bool json)
{
	_cleanup_free_ struct check *c = calloc(1, sizeof(*c));

	if (!c)
		return 1;
	c->config = config;
	c->root = root ? root : "";
	check_run(c);
	return print(c, json);
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
			    "mend it, then penstockd --check-config, then penstockctl reload");
	}
	return print(c, json);
}
