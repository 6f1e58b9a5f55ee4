#include "config/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

static void fill_error(struct config_error *e, const char *file, unsigned line, const char *key)
{
	snprintf(e->file, sizeof(e->file), "%s", file);
	e->line = line;
	snprintf(e->key, sizeof(e->key), "%s", key);
}

void config_errors_add(struct config_errors *errors, const char *file, unsigned line,
		       const char *key, const char *format, ...)
{
	struct config_error *e;
	va_list args;

	if (errors->count++ >= CONFIG_ERRORS)
		return;
	e = &errors->error[errors->count - 1];
	fill_error(e, file, line, key);
	va_start(args, format);
	vsnprintf(e->reason, sizeof(e->reason), format, args);
	va_end(args);
}

void config_errors_warn(struct config_errors *errors, const char *file, unsigned line,
			const char *key, const char *reason)
{
	struct config_error *e;

	if (errors->warnings == CONFIG_ERRORS)
		return;
	e = &errors->warning[errors->warnings++];
	fill_error(e, file, line, key);
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
}

void config_error_print(const struct config_error *error, char *buf, unsigned size)
{
	if (error->line)
		snprintf(buf, size, "%s:%u: %s: %s", error->file, error->line, error->key,
			 error->reason);
	else
		snprintf(buf, size, "%s: %s: %s", error->file, error->key, error->reason);
}

static const char *remember_file(struct places *places, const char *file)
{
	for (unsigned i = 0; i < places->files; i++)
		if (strcmp(places->file[i], file) == 0)
			return places->file[i];
	if (places->files == ARRAY_SIZE(places->file))
		return NULL;
	snprintf(places->file[places->files], CONFIG_PATH_MAX, "%s", file);
	return places->file[places->files++];
}

unsigned places_remember(struct places *places, const char *key, const char *file, unsigned line)
{
	const char *kept = remember_file(places, file);
	struct place *place = places->place;
	unsigned before;

	while (place < places->place + places->count && strcmp(place->key, key) != 0)
		place++;
	if (!kept || place == places->place + PLACES_MAX)
		return 0;
	before = place->file == kept ? place->line : 0;
	places->count += place == places->place + places->count;
	snprintf(place->key, sizeof(place->key), "%s", key);
	place->file = kept;
	place->line = line;
	return before;
}

/* The line of a key, or the first line of its section if the key is not set. NULL: neither. */
static const struct place *find_place(const struct places *places, const char *key)
{
	const char *dot = strrchr(key, '.');
	size_t section = dot ? (size_t)(dot - key) + 1 : 0;
	const struct place *first = NULL;

	for (unsigned i = 0; i < places->count; i++) {
		const struct place *place = &places->place[i];

		if (strcmp(place->key, key) == 0)
			return place;
		if (!first && section && strncmp(place->key, key, section) == 0 &&
		    !strchr(place->key + section, '.'))
			first = place;
	}
	return first;
}

void places_locate(struct config_errors *errors, const struct places *places)
{
	for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
		struct config_error *e = &errors->error[i];
		const struct place *place =
			strcmp(e->file, CONFIG_WHOLE) == 0 ? find_place(places, e->key) : NULL;

		if (!place)
			continue;
		snprintf(e->file, sizeof(e->file), "%s", place->file);
		e->line = place->line;
	}
}
