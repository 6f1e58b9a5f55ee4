/* Collects the errors of a configuration, each with its file and line. */
#ifndef PENSTOCK_CONFIG_ERRORS_H
#define PENSTOCK_CONFIG_ERRORS_H

#include "config/config.h"

#define CONFIG_WHOLE "configuration" /* file of an error that several options make together */
#define PLACES_MAX 512 /* how many keys have their line remembered: more than there are options */

/* Where a key was last set, so that an error that is found later can name the line. */
struct place {
	char key[96]; /* section.key */
	const char *file; /* of a file that is read now or was: see places.files */
	unsigned line;
};

struct places {
	unsigned count, files;
	struct place place[PLACES_MAX];
	char file[64][CONFIG_PATH_MAX];
};

/* `line` 0: the file as a whole. Beyond CONFIG_ERRORS they are counted only. */
void config_errors_add(struct config_errors *errors, const char *file, unsigned line,
		       const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* Accepted, but should be changed. */
void config_errors_warn(struct config_errors *errors, const char *file, unsigned line,
			const char *key, const char *reason);
/* Where a key was set; the last place counts. */
void places_remember(struct places *places, const char *key, const char *file, unsigned line);
/* Gives each error of CONFIG_WHOLE the line on which its key was set, if it was. */
void places_locate(struct config_errors *errors, const struct places *places);

#endif
