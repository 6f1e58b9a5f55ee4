#include "penstockctl/judged.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void ask_status(const struct options *o, struct judged *j)
{
	char path[300];
	json_t *answer = NULL;

	snprintf(path, sizeof(path), "%s/control.sock", o->run_dir);
	if (!o->root && access(path, F_OK) == 0 &&
	    ask(o, "io.penstock.Status", NULL, &j->message, &answer) == EXIT_FINE)
		j->status = json_object_get(answer, "status");
}

/* Takes the configuration with which penstockd was started. False: it does not answer, or does not
 * tell this user. */
static bool take_running(struct judged *j, struct config_source *source)
{
	const json_t *origin = json_object_get(json_object_get(j->status, "config"), "origin");
	const json_t *overrides = json_object_get(origin, "overrides");
	const char *file = json_string_value(json_object_get(origin, "file"));
	bool cut = json_is_true(json_object_get(origin, "overrides_cut"));
	unsigned count = (unsigned)json_array_size(overrides);

	if (!file)
		return false;
	if (count > JUDGED_OVERRIDES)
		count = JUDGED_OVERRIDES;
	for (unsigned i = 0; i < count; i++)
		j->overrides[i] = json_string_value(json_array_get(overrides, i));
	source->file = file[0] ? file : NULL;
	source->overrides = j->overrides;
	source->overrides_count = count;
	source->state_dir = json_string_value(json_object_get(origin, "state_dir"));
	if (file[0] || count)
		snprintf(
			j->words, sizeof(j->words),
			"Judged by the configuration of the running penstockd: %.200s, %s%u option%s -o.",
			file[0] ? file : "the default files", cut ? "the first " : "", count,
			count == 1 ? "" : "s");
	return true;
}

int judged_read(const struct options *o, struct judged **ret)
{
	struct config_source source = { .file = o->file,
					.overrides = o->overrides,
					.overrides_count = o->overrides_count };
	struct judged *j = calloc(1, sizeof(*j));

	*ret = j;
	if (!j)
		return -ENOMEM;
	ask_status(o, j);
	if (!o->file && !o->overrides_count && !o->root && !take_running(j, &source) &&
	    strcmp(o->run_dir, RUN_DIR_DEFAULT) != 0)
		snprintf(j->words, sizeof(j->words),
			 "Judged by the default files: penstockd %s. Name the others with -c.",
			 j->status ? "tells its own to root and control.group only"
				   : "does not answer");
	j->file = source.file;
	return config_load(&source, &j->config, &j->errors);
}

void judged_free(struct judged *j)
{
	if (j)
		json_decref(j->message);
	free(j);
}
