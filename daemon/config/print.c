/* Prints the present configuration, as a file. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "config/options.h"

#define COMMENT_COLUMNS 96
#define VALUE_COLUMNS 150

/* Folded, because libinih limits a line to 198 characters. */
static void print_comment(const char *help, struct text *out)
{
	while (*help) {
		size_t n = strlen(help);

		if (n > COMMENT_COLUMNS) {
			n = COMMENT_COLUMNS;
			while (n > 1 && help[n] != ' ')
				n--;
		}
		text_append(out, "# %.*s\n", (int)n, help);
		help += n;
		while (*help == ' ')
			help++;
	}
}

/* A value that is longer goes on in the next lines, which begin with a blank. */
static void print_value(const struct option_row *row, const void *base, struct text *out)
{
	char buffer[4096] = "";
	struct text whole = TEXT_OF(buffer);
	const char *value = buffer, *blank;

	option_print(row, base, &whole);
	while (row->type != OPTION_WINDOWS && strlen(value) > VALUE_COLUMNS) {
		for (blank = value + VALUE_COLUMNS; blank > value && *blank != ' ';)
			blank--;
		if (blank == value)
			break;
		text_append(out, "%.*s\n  ", (int)(blank - value), value);
		value = blank + 1;
	}
	text_append(out, "%s\n", value);
}

/* For rows without a help: they are printed only if a test or a trace has changed them. */
static bool is_default(const struct option_row *row, const void *base)
{
	char buffer[64] = "";
	struct text value = TEXT_OF(buffer);

	option_print(row, base, &value);
	return strcmp(buffer, row->value ? row->value : "0") == 0;
}

static void print_scope(const char *match, const char *section, const void *base, struct text *out)
{
	bool first = true;

	for (unsigned i = 0; i < option_rows_count; i++) {
		if (strcmp(option_rows[i].section, match) != 0)
			continue;
		if (first)
			text_append(out, "[%s]\n", section);
		first = false;
		if (option_rows[i].help)
			print_comment(option_rows[i].help, out);
		else if (is_default(&option_rows[i], base))
			continue;
		text_append(out, "%s = ", option_rows[i].key);
		print_value(&option_rows[i], base, out);
	}
	text_append(out, "\n");
}

static bool is_first_of_section(unsigned row)
{
	for (unsigned i = 0; i < row; i++)
		if (strcmp(option_rows[i].section, option_rows[row].section) == 0)
			return false;
	return true;
}

void config_print(const struct config *config, struct text *out)
{
	char name[64];

	for (unsigned i = 0; i < option_rows_count; i++)
		if (option_rows[i].scope == SCOPE_CONFIG && is_first_of_section(i))
			print_scope(option_rows[i].section, option_rows[i].section, config, out);
	for (unsigned i = 0; i < config->services; i++) {
		snprintf(name, sizeof(name), "service.%s", config->service[i].name);
		print_scope("service", name, &config->service[i], out);
	}
	for (unsigned i = 0; i < config->pools; i++) {
		snprintf(name, sizeof(name), "pool.%s", config->pool[i].name);
		print_scope("pool", name, &config->pool[i], out);
	}
	text_append(out, "[target]\n");
	for (int i = 0; i < SIGNAL__COUNT; i++) {
		if (config->target[i] <= 0 && signal_info[i].target <= 0)
			continue;
		print_comment(signal_info[i].help, out);
		text_append(out, "%s = ", signal_info[i].name);
		if (signal_info[i].unit == UNIT_US)
			option_print_duration((uint64_t)config->target[i], out);
		else
			text_append(out, "%.10g", config->target[i]);
		text_append(out, "\n");
	}
}
