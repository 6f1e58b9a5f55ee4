#include "config/unknown.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/typo.h"
#include "config/options.h"

#define WHY 256

/* The best of the names that were looked at. */
struct near {
	const char *typed, *name; /* NULL: none is near */
	unsigned distance;
};

/* Up to three letters may be wrong, and at most half of them. */
static void look_at(struct near *near, const char *name)
{
	unsigned distance = typo_distance(near->typed, name);

	if (distance > 3 || 2 * distance > strlen(name) ||
	    (near->name && distance >= near->distance))
		return;
	near->name = name;
	near->distance = distance;
}

/* The rows of a section stand together. */
static const char *section_at(unsigned row)
{
	const char *section = option_rows[row].section;

	return row > 0 && strcmp(option_rows[row - 1].section, section) == 0 ? NULL : section;
}

/* "service" and "pool" stand in the table; each is written with a name. */
static bool has_name(const char *section)
{
	return strcmp(section, "service") == 0 || strcmp(section, "pool") == 0;
}

static const char *nearest_section(const char *typed)
{
	struct near near = { .typed = typed };

	look_at(&near, "target");
	for (unsigned i = 0; i < option_rows_count; i++) {
		const char *section = section_at(i);

		if (!section)
			continue;
		/* [gate] for [front.gate] */
		if (strncmp(section, "front.", 6) == 0 && strcmp(section + 6, typed) == 0)
			return section;
		look_at(&near, section);
	}
	return near.name;
}

static void list_sections(struct text *out)
{
	text_append(out, "; there are target");
	for (unsigned i = 0; i < option_rows_count; i++)
		if (section_at(i))
			text_append(out, ", %s%s", section_at(i),
				    has_name(section_at(i)) ? ".NAME" : "");
}

void unknown_section(const char *section, char *why)
{
	struct text out = { .data = why, .size = WHY };
	const char *name = strchr(section, '.'), *near;
	char kind[64];

	if (has_name(section)) {
		text_append(&out, "[%s] needs a name, such as [%s.%s]", section, section,
			    strcmp(section, "pool") == 0 ? "large" : "mx");
		return;
	}
	text_append(&out, "there is no section [%.60s]", section);
	near = nearest_section(section);
	if (near && !has_name(near)) {
		text_append(&out, "; did you mean [%s]?", near);
		return;
	}
	/* [servcie.mx] */
	snprintf(kind, sizeof(kind), "%.*s", name ? (int)(name - section) : 0, section);
	near = name ? nearest_section(kind) : NULL;
	if (near && (has_name(near) || strcmp(near, "target") == 0))
		text_append(&out, "; did you mean [%s.%.60s]?", near, name + 1);
	else
		list_sections(&out);
}

/* The one section that has a key of this name. NULL: none, or several, as with `enabled`. */
static const char *only_section(const char *key)
{
	const char *found = NULL;

	for (unsigned i = 0; i < option_rows_count; i++) {
		if (strcmp(option_rows[i].key, key) != 0 || !option_rows[i].help)
			continue;
		if (found)
			return NULL;
		found = option_rows[i].section;
	}
	return found;
}

void unknown_key(const char *section, const char *key, char *why)
{
	const char *other = option_other_front(section, key), *place = only_section(key);
	struct near near = { .typed = key };

	if (other) {
		bool gone = option_gone(other, key);

		snprintf(
			why, WHY,
			"this front does not use the option, and it never had an effect here. Take it out%s%s%s",
			gone ? "" : ", or write it in [", gone ? "" : other, gone ? "" : "]");
		return;
	}
	if (place) {
		snprintf(why, WHY, "is a key of [%s%s], not of this section", place,
			 has_name(place) ? ".NAME" : "");
		return;
	}
	if (strncmp(section, "target.", 7) == 0)
		look_at(&near, "target");
	for (unsigned i = 0; i < option_rows_count; i++)
		if (option_rows[i].help && option_is_of(&option_rows[i], section))
			look_at(&near, option_rows[i].key);
	snprintf(why, WHY, near.name ? "unknown key; did you mean '%s'?" : "unknown key",
		 near.name);
}

void unknown_signal(const char *name, char *why)
{
	struct near near = { .typed = name };

	for (int i = 0; i < SIGNAL__COUNT; i++)
		look_at(&near, signal_info[i].name);
	if (near.name)
		snprintf(why, WHY, "there is no signal '%.60s'; did you mean '%s'?", name,
			 near.name);
	else
		snprintf(why, WHY, "there is no signal '%.60s'; penstockd --support lists them",
			 name);
}
