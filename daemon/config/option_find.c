/* Finds the row of an option, and what became of names that the previous release had. */
#include <string.h>

#include "base/array.h"
#include "config/options.h"

bool option_is_of(const struct option_row *row, const char *section)
{
	size_t n = strlen(row->section);

	if (row->scope != SCOPE_CONFIG)
		return strncmp(section, row->section, n) == 0 && section[n] == '.';
	return strcmp(row->section, section) == 0;
}

const struct option_row *option_find(const char *section, const char *key)
{
	for (unsigned i = 0; i < option_rows_count; i++)
		if (option_is_of(&option_rows[i], section) && strcmp(option_rows[i].key, key) == 0)
			return &option_rows[i];
	return NULL;
}

/* Names of the previous release. They are accepted with a warning, until the next release. */
static const struct {
	const char *section, *before, *now;
} renamed[] = {
	{ "objective", "window_least", "window_min" },
	{ "objective", "window_most", "window_max" },
	{ "source", "retry_least", "retry_min" },
	{ "service", "tls", "implicit_tls" },
};

/* What its values are called now, if that changed, too. */
static const struct {
	const char *option, *before, *now;
} revalued[] = {
	{ "implicit_tls", "none", "no" },
	{ "implicit_tls", "starttls", "no" },
	{ "implicit_tls", "implicit", "yes" },
};

/* Options of the previous release that were removed because only their default was useful. They
 * have no effect and give a warning, until the next release. Their rows stay, without a help, for
 * old traces and for tests, which set them by -o test.SECTION.KEY=VALUE. */
static const struct {
	const char *section, *key, *instead;
} gone[] = {
	{ "front.proxy", "connect", "penstock-proxy waits 10 s for a connection to the server" },
	{ "front.proxy", "linger", "a deferred client is listened to for 20 s" },
	{ "front.gate", "linger", "a deferred client is listened to for 20 s" },
	{ "source", "rate_size",
	  "the rates of sources take half of source.ledger_size, at least 16MiB" },
	{ "source", "retry_min",
	  "a retry counts if it comes 2 min or more after the last one that counted" },
	{ "source", "retry_least",
	  "a retry counts if it comes 2 min or more after the last one that counted" },
};

const char *option_gone(const char *section, const char *key)
{
	for (unsigned i = 0; i < ARRAY_SIZE(gone); i++)
		if (strcmp(gone[i].section, section) == 0 && strcmp(gone[i].key, key) == 0)
			return gone[i].instead;
	return NULL;
}

const char *option_renamed(const char *section, const char *key)
{
	for (unsigned i = 0; i < ARRAY_SIZE(renamed); i++) {
		const struct option_row *row = option_find(section, renamed[i].now);

		if (row && strcmp(renamed[i].before, key) == 0 &&
		    strcmp(row->section, renamed[i].section) == 0)
			return renamed[i].now;
	}
	return NULL;
}

const char *option_value_now(const char *now, const char *value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(revalued); i++)
		if (strcmp(revalued[i].option, now) == 0 && strcmp(revalued[i].before, value) == 0)
			return revalued[i].now;
	return value;
}

const char *option_other_front(const char *section, const char *key)
{
	if (strncmp(section, "front.", 6) != 0 || option_find(section, key))
		return NULL;
	for (unsigned i = 0; i < option_rows_count; i++)
		if (strncmp(option_rows[i].section, "front.", 6) == 0 &&
		    strcmp(option_rows[i].key, key) == 0)
			return option_rows[i].section;
	return NULL;
}
