/* The table of options. Parsing, bounds, defaults, --print-config, the manual page and the fuzz
 * dictionary come from it. */
#ifndef PENSTOCK_CONFIG_OPTIONS_H
#define PENSTOCK_CONFIG_OPTIONS_H

#include <stddef.h>

#include "config/config.h"

enum option_type {
	OPTION_BOOL,
	OPTION_U32,
	OPTION_DURATION,
	OPTION_BYTES,
	OPTION_BITS,
	OPTION_RATIO,
	OPTION_TEXT,
	OPTION_PATH, /* absolute */
	OPTION_CHOICE,
	OPTION_ENDPOINT,
	OPTION_ENDPOINTS, /* a list; "none": an empty one */
	OPTION_PORTS,
	OPTION_PATHS,
	OPTION_NETWORKS,
	OPTION_INTERFACES,
	OPTION_HOSTNAME,
	OPTION_URL,
	OPTION_CODE,
	OPTION_MODE_BITS,
	OPTION_WINDOWS, /* each value adds a window, an empty value removes all */
};

/* Which struct `offset` is in. */
enum option_scope { SCOPE_CONFIG, SCOPE_SERVICE, SCOPE_POOL };

struct option_row {
	const char
		*section; /* "service" and "pool" stand for every [service.NAME] and [pool.NAME] */
	const char *key;
	enum option_type type;
	enum option_scope scope;
	size_t offset, size;
	double least, most; /* of numbers, in the base unit */
	const char *choices; /* "enforce observe": the position is the value (stored as int) */
	const char *value; /* default, written as in a file; NULL: unset */
	const char *help; /* NULL: only for tests and old traces, and shown nowhere */
};

extern const struct option_row option_rows[];
extern const unsigned option_rows_count;

/* Whether it is an option of this section, as written: "service.mx". */
bool option_is_of(const struct option_row *row, const char *section);
/* The row for section.key ("service.mx" finds "service"); NULL: there is none. */
const struct option_row *option_find(const char *section, const char *key);
/* The present name of a key that had another name in the previous release; NULL: it had not. */
const char *option_renamed(const char *section, const char *key);
/* The present name of a value of an option, by its present name, that was renamed with it; the same
 * value if it was not. */
const char *option_value_now(const char *now, const char *value);
/* A sentence about what replaces an option that this release has removed; NULL: it was not
 * removed. */
const char *option_gone(const char *section, const char *key);
/* The section of another front that has this key, if `section` is a front without it; else NULL.
 * Each front has rows of its own, so an option that a front would not use is an error. */
const char *option_other_front(const char *section, const char *key);
/* Whether it is a number without a unit. */
bool option_is_bare(const char *value);
/* About a time without a unit, which is accepted. */
#define OPTION_BARE_SECONDS "'%.40s' has no unit, which means seconds: write the unit behind it"
/* Sets one option from text. `base` is the struct of the row's scope. 0, perhaps with what should
 * be changed in `why` (256), or -EINVAL with `why`: what was read, what is allowed, an example. */
int option_set(const struct option_row *row, void *base, const char *value, char *why);
/* Prints the present value, written as in a file. */
void option_print(const struct option_row *row, const void *base, struct text *out);
/* The same for a time: "50ms", in the largest unit that gives a whole number. */
void option_print_duration(uint64_t us, struct text *out);

#endif
