/* The verbs that look at this host themselves, whether penstockd runs or not. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "config/config.h"
#include "publish/support.h"
#include "penstockctl/verb_check.h"
#include "penstockctl/verb_history.h"
#include "penstockctl/verbs_run.h"

static int load_config(const struct options *o, struct config *ret_config,
		       struct config_errors *ret_errors)
{
	struct config_source source = { .file = o->file,
					.overrides = o->overrides,
					.overrides_count = o->overrides_count };

	return config_load(&source, ret_config, ret_errors);
}

/* With this process's privileges, not the daemon's: the same question that `penstockd --support`
 * answers. */
int verb_support(const struct options *o)
{
	static char buffer[65536];
	struct text out = TEXT_OF(buffer);
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));

	if (!config || !errors)
		return EXIT_SAID_NO;
	if (load_config(o, config, errors) < 0) {
		for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
			char line[640];

			config_error_print(&errors->error[i], line, sizeof(line));
			fprintf(stderr, "%s\n", line);
		}
		return EXIT_SAID_NO;
	}
	support_print(config, &out);
	if (o->json) {
		json_t *answer = json_pack("{s:s}", "text", buffer);

		ask_print(answer);
		json_decref(answer);
	} else {
		fputs(buffer, stdout);
	}
	return EXIT_FINE;
}

int verb_check(const struct options *o)
{
	json_t *message = NULL, *answer = NULL;
	const json_t *status = NULL;
	char path[300];
	int r;
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));

	if (!config || !errors)
		return EXIT_SAID_NO;
	if (load_config(o, config, errors) < 0)
		return show_check_config(errors, o->json);
	snprintf(path, sizeof(path), "%s/control.sock", o->run_dir);
	if (!o->root && access(path, F_OK) == 0 &&
	    ask(o, "io.penstock.Status", NULL, &message, &answer) == EXIT_FINE)
		status = json_object_get(answer, "status");
	r = show_check(config, o->root, o->file, status, o->json);
	json_decref(message);
	return r;
}

/* Reads the file itself: it tells what led to the end of a penstockd, too. */
int verb_history(const struct options *o)
{
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));

	if (!config || !errors)
		return EXIT_SAID_NO;
	if (load_config(o, config, errors) < 0)
		return show_check_config(errors, false);
	return show_history(config->state_dir, o->since, o->until, o->json);
}
