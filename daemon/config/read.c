/* From lines of files, drop-ins and the command line to options that are set. */
#include "config/read.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "config/options.h"
#include "config/sections.h"

#define DEFAULT_FILE "/etc/penstock/penstock.conf"
/* The defaults of the package. They are read first, so that files under /etc override them. */
#ifndef PENSTOCK_VENDOR_FILE
#define PENSTOCK_VENDOR_FILE "/usr/lib/penstock/penstock.conf"
#endif
#define VALUE_MAX 4096 /* with the lines that continue it */
#define FILE_LINES_MAX 10000
#define TRACE_TEXT "text" /* in place of a file name, for errors in the text of a trace */

/* State while one source is read. */
struct reader {
	struct config *config;
	struct config_errors *errors;
	struct places *places;
	const char *file;
	FILE *stream;
	unsigned line;
	/* The section that was begun last, and its line; then the last one that there is not. */
	char begun[96], unknown[96];
	unsigned begun_line;
	/* The option that was read last, for a line that continues it. */
	char name[96], value[VALUE_MAX];
	/* the line begins with a blank, and so may be such a line; then: it is one */
	bool continued;
	bool before_any; /* a key before the first section was found */
	bool of_trace; /* the text is the configuration in a recorded trace */
	bool stop;
};

/* inih tells no handler about the line of a section. */
static void note_section(struct reader *r, const char *line)
{
	size_t n;

	line += strspn(line, " \t");
	if (*line != '[')
		return;
	n = strcspn(++line, "]");
	snprintf(r->begun, sizeof(r->begun), "%.*s", (int)n, line);
	r->begun_line = r->line;
	r->unknown[0] = 0;
	r->name[0] = 0;
}

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return *line == '#' || *line == ';';
}

/* Reads a line to its end. */
static void skip_line(FILE *stream)
{
	int c;

	do {
		c = fgetc(stream);
	} while (c != '\n' && c != EOF);
}

/* Counts lines for ini_parse_stream(), because its Debian build does not report them, and refuses
 * bytes that no configuration contains. */
static char *read_line(char *buf, int size, void *context)
{
	struct reader *r = context;
	char *line;
	size_t n;

	if (r->stop)
		return NULL;
	line = fgets(buf, size, r->stream);
	if (!line)
		return NULL;
	r->line++;
	n = strlen(buf);
	if (n > 0 && buf[n - 1] != '\n' && !feof(r->stream) && is_comment(buf)) {
		skip_line(r->stream);
		n = (size_t)snprintf(buf, (size_t)size, "#\n");
	}
	if (n == 0 || (buf[n - 1] != '\n' && !feof(r->stream))) {
		config_errors_add(
			r->errors, r->file, r->line, "line",
			n == 0 ? "holds a NUL: this is not a configuration file"
			       : "is longer than %d characters. Begin a new line with a blank within the value: it goes on there",
			size - 2);
		r->stop = true;
		return NULL;
	}
	if (r->line > FILE_LINES_MAX) {
		config_errors_add(r->errors, r->file, r->line, "file", "has more than %d lines",
				  FILE_LINES_MAX);
		r->stop = true;
		return NULL;
	}
	note_section(r, line);
	r->continued = *line == ' ' || *line == '\t';
	return line;
}

/* A section is wrong, and with it each of its keys: says so once. */
static void complain_of_section(struct reader *r, const char *section, const char *why)
{
	unsigned line = strcmp(section, r->begun) == 0 ? r->begun_line : r->line;

	if (strcmp(section, r->unknown) == 0)
		return;
	snprintf(r->unknown, sizeof(r->unknown), "%s", section);
	config_errors_add(r->errors, r->file, line, section, "%s", why);
}

/* Cuts "yes # a comment": libinih only knows " ;", and not in a line that continues a value. No
 * value contains a blank followed by '#' or ';'. */
static void cut_comment(char *value)
{
	for (char *at = value; (at = strpbrk(at, "#;")); at++) {
		if (at != value && at[-1] != ' ' && at[-1] != '\t')
			continue;
		while (at > value && (at[-1] == ' ' || at[-1] == '\t'))
			at--;
		*at = 0;
		return;
	}
}

/* An option that is gone has no effect. False: it is not gone. */
static bool warn_of_gone(struct config_errors *errors, const char *file, unsigned line,
			 const char *section, const char *key)
{
	const char *instead = option_gone(section, key);
	char name[160], why[256];

	if (!instead)
		return false;
	snprintf(name, sizeof(name), "%s.%s", section, key);
	snprintf(why, sizeof(why),
		 "is gone and has no effect: %s. Take it out: the next release refuses it",
		 instead);
	config_errors_warn(errors, file, line, name, why);
	return true;
}

/* Of maintenance.window each line is a window of its own. */
static bool adds_up(const char *name)
{
	return strcmp(name, "maintenance.window") == 0;
}

/* Puts the value into r->value. A line that begins with a blank continues the value of the line
 * before. False: it is too long. */
static bool take_value(struct reader *r, const char *name, const char *whole)
{
	bool continues = r->continued && strcmp(name, r->name) == 0 && !adds_up(name);
	struct text text = TEXT_OF(r->value);
	char line[VALUE_MAX];

	snprintf(line, sizeof(line), "%s", whole);
	cut_comment(line);
	if (continues)
		text.length = strlen(r->value);
	text_append(&text, "%s%s", continues ? " " : "", line);
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->continued = continues;
	return !text.cut;
}

/* Remembers the line of an option, under the name that it has now. A file that sets it twice holds
 * a mistake; a later file may set it again. */
static void note_line(struct reader *r, const char *section, const char *key)
{
	const char *now = option_renamed(section, key);
	char name[96], why[160];
	unsigned before;

	if (r->continued)
		return;
	if (strncmp(section, "target.", 7) == 0 && strcmp(key, "target") == 0)
		snprintf(name, sizeof(name), "%s", section); /* as target.SIGNAL in [target] */
	else
		snprintf(name, sizeof(name), "%s.%s", section, now ? now : key);
	before = places_remember(r->places, name, r->file, r->line);
	if (!before || r->of_trace || adds_up(name))
		return;
	snprintf(why, sizeof(why),
		 "is set in line %u of this file, too. This line holds: take the other one out",
		 before);
	config_errors_warn(r->errors, r->file, r->line, name, why);
}

static int on_option(void *context, const char *section, const char *key, const char *whole)
{
	struct reader *r = context;
	char why[256] = "", name[96];
	int set;

	snprintf(name, sizeof(name), "%s%s%s", section, section[0] ? "." : "", key);
	if (!take_value(r, name, whole)) {
		config_errors_add(r->errors, r->file, r->line, name, "is longer than %d characters",
				  VALUE_MAX - 1);
		return 1;
	}
	/* A trace of an older penstock lists all options for all fronts. */
	if (r->of_trace && option_other_front(section, key))
		return 1;
	if (!r->of_trace && warn_of_gone(r->errors, r->file, r->line, section, key))
		return 1;
	if (!section[0]) {
		if (!r->before_any)
			config_errors_add(r->errors, r->file, r->line, name,
					  "stands before the first [section]");
		r->before_any = true;
		return 1;
	}
	set = config_set(r->config, section, key, r->value, why);
	if (set == -ENXIO) {
		complain_of_section(r, section, why);
		return 1;
	}
	if (set < 0) {
		config_errors_add(r->errors, r->file, r->line, name, "%s", why);
		return 1;
	}
	note_line(r, section, key);
	if (why[0] && !r->of_trace)
		config_errors_warn(r->errors, r->file, r->line, name, why);
	return 1;
}

static void read_stream(struct config *config, FILE *stream, const char *file,
			struct config_errors *errors, struct places *places)
{
	struct reader r = { .config = config,
			    .errors = errors,
			    .places = places,
			    .file = file,
			    .stream = stream,
			    .of_trace = strcmp(file, TRACE_TEXT) == 0 };
	int bad = ini_parse_stream(read_line, &r, on_option, &r);

	if (bad > 0 && !r.stop)
		config_errors_add(errors, file, (unsigned)bad, "line",
				  "is neither [section] nor key = value");
}

/* -ENOENT: there is no such file. */
static int read_file(struct config *config, const char *file, struct config_errors *errors,
		     struct places *places)
{
	_cleanup_fclose_ FILE *stream = fopen(file, "re");

	if (!stream)
		return -errno;
	read_stream(config, stream, file, errors, places);
	if (ferror(stream))
		return errno == EISDIR ? -EISDIR : -EIO;
	return 0;
}

static void cannot_read(const char *file, int r, bool goes_on, struct config_errors *errors)
{
	char why[160];

	snprintf(why, sizeof(why), "cannot be read: %s%s%s", strerror(-r),
		 goes_on ? ". Its options are left out" : "",
		 r == -EACCES
			 ? ". penstockd and penstock-proxy run as users of their own: chmod a+r"
			 : "");
	if (goes_on)
		config_errors_warn(errors, file, 0, "file", why);
	else
		config_errors_add(errors, file, 0, "file", "%s", why);
}

void config_read_text(struct config *config, const struct config_source *source,
		      struct config_errors *errors, struct places *places)
{
	_cleanup_fclose_ FILE *stream =
		source->text_length ? fmemopen((void *)source->text, source->text_length, "r")
				    : NULL;

	if (stream)
		read_stream(config, stream, TRACE_TEXT, errors, places);
}

static int is_conf(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

static void read_directory(struct config *config, const char *file, bool may_lack,
			   struct config_errors *errors, struct places *places)
{
	char directory[PATH_MAX], path[PATH_MAX + 300];
	struct dirent **entries = NULL;
	int n;

	snprintf(directory, sizeof(directory), "%s.d", file);
	n = scandir(directory, &entries, is_conf, alphasort);
	if (n < 0 && errno != ENOENT)
		cannot_read(directory, -errno, may_lack, errors);
	for (int i = 0; i < n; i++) {
		int r;

		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		r = read_file(config, path, errors, places);
		if (r < 0)
			cannot_read(path, r, may_lack, errors);
		free(entries[i]);
	}
	free(entries);
}

void config_read_files(struct config *config, const struct config_source *source,
		       struct config_errors *errors, struct places *places)
{
	const char *file = source->file ? source->file : DEFAULT_FILE;
	int r;

	if (!source->file && (r = read_file(config, PENSTOCK_VENDOR_FILE, errors, places)) < 0 &&
	    r != -ENOENT)
		cannot_read(PENSTOCK_VENDOR_FILE, r, false, errors);
	r = read_file(config, file, errors, places);
	if (r < 0 && (source->file || r != -ENOENT))
		cannot_read(file, r, false, errors);
	read_directory(config, file, source->may_lack_fragments, errors, places);
}

void config_read_override(struct config *config, const char *text, struct config_errors *errors,
			  struct places *places)
{
	const char *equals = strchr(text, '=');
	char name[128], why[256] = "", *dot, *section = name;

	if (!equals || (size_t)(equals - text) >= sizeof(name)) {
		config_errors_add(errors, "-o", 0, text, "is not section.key=value");
		return;
	}
	memcpy(name, text, (size_t)(equals - text));
	name[equals - text] = 0;
	dot = strrchr(name, '.');
	if (!dot || dot == name || !dot[1]) {
		config_errors_add(errors, "-o", 0, name, "is not section.key");
		return;
	}
	*dot = 0;
	/* Tests still set options that are gone: as test.SECTION.KEY. */
	if (strncmp(name, "test.", 5) == 0 && option_gone(name + 5, dot + 1))
		section = name + 5;
	else if (warn_of_gone(errors, "-o", 0, name, dot + 1))
		return;
	if (config_set(config, section, dot + 1, equals + 1, why) < 0) {
		*dot = '.';
		config_errors_add(errors, "-o", 0, name, "%s", why);
		return;
	}
	*dot = '.';
	places_remember(places, name, "-o", 0);
	if (why[0])
		config_errors_warn(errors, "-o", 0, name, why);
}
