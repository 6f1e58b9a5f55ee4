#include "config/guards.h"

#include <string.h>

#include "config/options.h"

#define SECTION "front."

static const void *value_of(const struct config *config, const struct option_row *row)
{
	return (const char *)config + row->offset;
}

bool config_guard(const struct config *config, unsigned index, struct config_guard *ret_guard)
{
	for (unsigned i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (strncmp(row->section, SECTION, strlen(SECTION)) != 0 ||
		    strcmp(row->key, "enabled") != 0 || index--)
			continue;
		ret_guard->name = row->section + strlen(SECTION);
		ret_guard->enabled = *(const bool *)value_of(config, row);
		ret_guard->service = value_of(config, option_find(row->section, "service"));
		return true;
	}
	return false;
}
