/* The sources of options. Each overrides the ones that were read before it. */
#ifndef PENSTOCK_CONFIG_READ_H
#define PENSTOCK_CONFIG_READ_H

#include "config/errors.h"

/* Reads the files of `source`, each with its directory of drop-ins. */
void config_read_files(struct config *config, const struct config_source *source,
		       struct config_errors *errors, struct places *places);
/* Reads source->text instead of files: the configuration in a recorded trace. */
void config_read_text(struct config *config, const struct config_source *source,
		      struct config_errors *errors, struct places *places);
/* Reads one "section.key=value" of the command line. */
void config_read_override(struct config *config, const char *text, struct config_errors *errors,
			  struct places *places);

#endif
