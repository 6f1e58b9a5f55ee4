#include "base/parse.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *suffix;
	double factor;
};

int parse_u64(const char *text, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno == ERANGE)
		return -ERANGE;
	*ret = value;
	return 0;
}

/* Parses the plain decimal at the beginning; *ret_rest is what follows. No sign, no exponent, no
 * hex, no "inf". */
static int parse_decimal(const char *text, double *ret, const char **ret_rest)
{
	size_t digits = strspn(text, "0123456789"), fraction = 0;
	char copy[64];
	size_t length;

	length = digits;
	if (text[digits] == '.') {
		fraction = strspn(text + digits + 1, "0123456789");
		length += 1 + fraction;
	}
	if (digits + fraction == 0)
		return -EINVAL;
	if (length >= sizeof(copy))
		return -ERANGE;
	memcpy(copy, text, length);
	copy[length] = 0;
	*ret = strtod(copy, NULL);
	*ret_rest = text + length;
	return 0;
}

int parse_double(const char *text, double *ret)
{
	const char *rest;
	double value;
	int r = parse_decimal(text, &value, &rest);

	if (r < 0)
		return r;
	if (*rest)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int parse_scaled(const char *text, const struct unit *units, uint64_t *ret)
{
	const char *rest;
	double value;
	int r = parse_decimal(text, &value, &rest);

	if (r < 0)
		return r;
	while (*rest == ' ')
		rest++;
	for (; units->suffix; units++)
		if (strcmp(rest, units->suffix) == 0)
			break;
	if (!units->suffix)
		return -EINVAL;
	value *= units->factor;
	if (value >= 1.8e19)
		return -ERANGE;
	*ret = (uint64_t)(value + 0.5);
	return 0;
}

int parse_duration_us(const char *text, uint64_t *ret)
{
	static const struct unit units[] = { { "us", 1 },     { "ms", 1e3 },	{ "s", 1e6 },
					     { "", 1e6 },     { "min", 60e6 },	{ "m", 60e6 },
					     { "h", 3600e6 }, { "d", 86400e6 }, { NULL, 0 } };

	return parse_scaled(text, units, ret);
}

int parse_bytes(const char *text, uint64_t *ret)
{
	static const struct unit units[] = { { "", 1 },
					     { "B", 1 },
					     { "K", 1024 },
					     { "KiB", 1024 },
					     { "M", 1048576 },
					     { "MiB", 1048576 },
					     { "G", 1073741824 },
					     { "GiB", 1073741824 },
					     { "T", 1099511627776 },
					     { "TiB", 1099511627776 },
					     { NULL, 0 } };

	return parse_scaled(text, units, ret);
}

/* The speed of a link is counted in powers of ten, as its maker does. */
int parse_bits_per_s(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 },	   { "bit/s", 1 },    { "k", 1e3 },  { "K", 1e3 },
		{ "kbit/s", 1e3 }, { "Kbit/s", 1e3 }, { "M", 1e6 },  { "Mbit/s", 1e6 },
		{ "G", 1e9 },	   { "Gbit/s", 1e9 }, { "T", 1e12 }, { "Tbit/s", 1e12 },
		{ NULL, 0 }
	};

	return parse_scaled(text, units, ret);
}

int parse_ratio(const char *text, double *ret)
{
	const char *rest;
	double value;
	int r = parse_decimal(text, &value, &rest);

	if (r < 0)
		return r;
	if (strcmp(rest, "%") == 0)
		value /= 100;
	else if (*rest)
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (int i = 0; i < 4; i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}
