/* From files and the command line to a whole, validated struct config, or a list of errors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "config/cross_check.h"
#include "config/read.h"

static void note_origin(const struct config_source *source, struct config_origin *ret)
{
	struct text out = TEXT_OF(ret->overrides);

	ret->known = true;
	snprintf(ret->file, sizeof(ret->file), "%s", source->file ? source->file : "");
	for (unsigned i = 0; i < source->overrides_count; i++) {
		if (out.length + strlen(source->overrides[i]) + 2 > sizeof(ret->overrides)) {
			ret->overrides_cut = true;
			break;
		}
		text_append(&out, "%s\n", source->overrides[i]);
	}
}

int config_load(const struct config_source *source, struct config *ret,
		struct config_errors *ret_errors)
{
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ struct places *places = calloc(1, sizeof(*places));

	memset(ret_errors, 0, sizeof(*ret_errors));
	if (!config || !places)
		return -ENOMEM;
	config_defaults(config);
	note_origin(source, &config->origin);
	if (source->text)
		config_read_text(config, source, ret_errors, places);
	else
		config_read_files(config, source, ret_errors, places);
	for (unsigned i = 0; i < source->overrides_count; i++)
		config_read_override(config, source->overrides[i], ret_errors, places);
	if (source->run_dir)
		snprintf(config->run_dir, sizeof(config->run_dir), "%s", source->run_dir);
	if (source->state_dir)
		snprintf(config->state_dir, sizeof(config->state_dir), "%s", source->state_dir);
	if (ret_errors->count == 0) {
		config_check(config, source->text != NULL, ret_errors);
		places_locate(ret_errors, places);
	}
	if (ret_errors->count)
		return -EINVAL;
	memcpy(ret, config, sizeof(*ret));
	return 0;
}
