/* Collects the errors of a configuration, each with its file and line. */
#ifndef PENSTOCK_CONFIG_ERRORS_H
#define PENSTOCK_CONFIG_ERRORS_H

#include "config/config.h"

#define CONFIG_WHOLE "configuration" /* file name of an error that several options cause together */
#define PLACES_MAX 512 /* keys whose line is remembered: more than there are options */

/* Where a key was last set, so that an error found later can name the line. */
struct place {
	char key[96]; /* section.key */
	const char *file; /* a file of places.files */
	unsigned line;
};

struct places {
	unsigned count, files;
	struct place place[PLACES_MAX];
	char file[64][CONFIG_PATH_MAX];
};

/* `line` 0: the file as a whole. Errors beyond CONFIG_ERRORS are only counted. */
void config_errors_add(struct config_errors *errors, const char *file, unsigned line,
		       const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Adds a warning: accepted, but should be changed. */
void config_errors_warn(struct config_errors *errors, const char *file, unsigned line,
			const char *key, const char *reason);
/* Notes where a key was set; the last place counts. Returns the line of the same file that set it
 * before; 0: none did. */
unsigned places_remember(struct places *places, const char *key, const char *file, unsigned line);
/* Gives each error of CONFIG_WHOLE the line on which its key was set, if it was. */
void places_locate(struct config_errors *errors, const struct places *places);

#endif
