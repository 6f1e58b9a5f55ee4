#include "publish/accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The best offer for one type so far. */
struct offer {
	int precision; /* 0: none, 1: any type at all, 2: any of its kind, 3: itself */
	int quality; /* in thousandths */
};

/* "0.375" -> 375. Digits only, so that the locale does not matter. A malformed value is 1. */
static int read_quality(const char *at, const char *end)
{
	int quality, unit = 100;

	if (at == end || (*at != '0' && *at != '1'))
		return 1000;
	quality = *at++ == '1' ? 1000 : 0;
	if (at < end && *at == '.')
		for (at++; at < end && *at >= '0' && *at <= '9' && unit; at++, unit /= 10)
			quality += (*at - '0') * unit;
	return quality < 1000 ? quality : 1000;
}

/* Of the parameters ";version=1.0.0;q=0.5". */
static int quality_of(const char *at, const char *end)
{
	while (at < end && (at = memchr(at, ';', (size_t)(end - at)))) {
		at++;
		while (at < end && (*at == ' ' || *at == '\t'))
			at++;
		if (end - at >= 2 && (*at == 'q' || *at == 'Q') && at[1] == '=')
			return read_quality(at + 2, end);
	}
	return 1000;
}

static int precision_of(const char *range, size_t length, const char *type)
{
	size_t kind = (size_t)(strchr(type, '/') - type) + 1;

	if (length == strlen(type) && strncasecmp(range, type, length) == 0)
		return 3;
	if (length == kind + 1 && strncasecmp(range, type, kind) == 0 && range[kind] == '*')
		return 2;
	return length == 3 && memcmp(range, "*/*", 3) == 0;
}

static void consider(struct offer *offer, const char *at, const char *end, const char *type)
{
	size_t length = strcspn(at, ",; \t");
	struct offer one = { .precision = precision_of(at, length, type),
			     .quality = quality_of(at, end) };

	if (one.precision > offer->precision ||
	    (one.precision == offer->precision && one.quality > offer->quality))
		*offer = one;
}

bool accept_prefers(const char *accept, const char *special, const char *usual)
{
	struct offer first = { 0 }, second = { 0 };

	while (*accept) {
		const char *end;

		accept += strspn(accept, ", \t");
		end = accept + strcspn(accept, ",");
		consider(&first, accept, end, special);
		consider(&second, accept, end, usual);
		accept = end;
	}
	if (!first.precision || !first.quality)
		return false;
	if (first.quality != second.quality)
		return first.quality > second.quality;
	return first.precision > second.precision || first.precision == 3;
}
