/* Fields of an answer of penstockd that may be missing. */
#ifndef PENSTOCKCTL_FIELD_H
#define PENSTOCKCTL_FIELD_H

#include <jansson.h>

/* -1: there is no such field, or it is not a number. */
static inline double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

/* "?": there is no such field, or it is not a string. The result belongs to the object. */
static inline const char *string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "?";
}

#endif
