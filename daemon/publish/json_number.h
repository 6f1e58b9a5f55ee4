/* Numbers as JSON. */
#ifndef PENSTOCK_PUBLISH_JSON_NUMBER_H
#define PENSTOCK_PUBLISH_JSON_NUMBER_H

#include <jansson.h>
#include <math.h>

/* Six significant digits are enough for readers, and keep the text short. */
static inline json_t *json_number(double value)
{
	double scale;

	if (!isfinite(value))
		return json_null();
	if (value == 0 || value == floor(value))
		return fabs(value) < 1e15 ? json_integer((json_int_t)value) : json_real(value);
	scale = pow(10, 5 - floor(log10(fabs(value))));
	return json_real(round(value * scale) / scale);
}

/* An unknown value is null where the key must be present, never 0. */
static inline json_t *json_number_or_null(double value)
{
	return value < 0 ? json_null() : json_number(value);
}

#endif
