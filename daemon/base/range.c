#include "base/range.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parses a number that ends at `end`; empty: `otherwise`. */
static int take(const char *text, size_t length, double otherwise, double *ret)
{
	char buffer[48], *rest;

	if (length == 0) {
		*ret = otherwise;
		return 0;
	}
	if (length >= sizeof(buffer) || strspn(text, "0123456789.-") < length)
		return -EINVAL;
	memcpy(buffer, text, length);
	buffer[length] = 0;
	*ret = strtod(buffer, &rest);
	return *rest || rest == buffer ? -EINVAL : 0;
}

int range_parse(const char *text, struct range *ret)
{
	struct range range = { .set = true, .inside = *text == '@' };
	const char *from = text + range.inside, *colon = strchr(from, ':');
	int r = 0;

	if (!*from || strlen(text) >= sizeof(range.text))
		return -EINVAL;
	if (colon && colon == from + 1 && *from == '~')
		range.start = -INFINITY;
	else if (colon)
		r = take(from, (size_t)(colon - from), 0, &range.start);
	if (r == 0) {
		const char *end = colon ? colon + 1 : from;

		r = take(end, strlen(end), INFINITY, &range.end);
	}
	if (r < 0 || range.start > range.end || (!colon && isinf(range.end)))
		return -EINVAL;
	snprintf(range.text, sizeof(range.text), "%s", text);
	*ret = range;
	return 0;
}

bool range_alerts(const struct range *range, double value)
{
	bool within = value >= range->start && value <= range->end;

	return range->set && within == range->inside;
}
