#include "check/postfix_conf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define DEPTH 8 /* levels of $name in $name */
/* look-ups for one value: if names contain each other twice, their number doubles at each level */
#define NAMES 256
#define LINE 8192

/* ---- logical lines: a line that begins with a blank continues the one before ---------------- */

struct lines {
	const char *at, *end;
};

static size_t physical(struct lines *l, const char **ret_line)
{
	const char *stop = memchr(l->at, '\n', (size_t)(l->end - l->at));
	size_t n = (size_t)((stop ? stop : l->end) - l->at);

	*ret_line = l->at;
	l->at = stop ? stop + 1 : l->end;
	while (n && isspace((unsigned char)(*ret_line)[n - 1]))
		n--;
	return n;
}

static bool counts(const char *line, size_t n)
{
	size_t i = 0;

	while (i < n && isspace((unsigned char)line[i]))
		i++;
	return i < n && line[i] != '#';
}

/* Copies the next logical line into `out` (LINE), cut if it is longer. False at the end. */
static bool next_line(struct lines *l, char *out)
{
	struct text text = { .data = out, .size = LINE };
	const char *line, *mark;
	size_t n;

	out[0] = 0;
	while (l->at < l->end) {
		mark = l->at;
		n = physical(l, &line);
		if (!counts(line, n))
			continue;
		if (text.length && !isspace((unsigned char)line[0])) {
			l->at = mark;
			return true;
		}
		if (text.length)
			text_append_bytes(&text, " ", 1);
		while (n && isspace((unsigned char)line[0]))
			line++, n--;
		text_append_bytes(&text, line, n);
	}
	return text.length > 0;
}

/* ---- settings ------------------------------------------------------------------------------- */

static void copy(char *to, size_t size, const char *from, size_t n)
{
	while (n && isspace((unsigned char)*from))
		from++, n--;
	while (n && isspace((unsigned char)from[n - 1]))
		n--;
	if (n >= size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = 0;
}

static void set(struct postfix_conf *conf, int service, const char *text)
{
	const char *equals = strchr(text, '=');
	struct postfix_parameter *p;

	if (!equals || conf->parameters == POSTFIX_PARAMETERS)
		return;
	p = &conf->parameter[conf->parameters];
	p->service = service;
	copy(p->name, sizeof(p->name), text, (size_t)(equals - text));
	copy(p->value, sizeof(p->value), equals + 1, strlen(equals + 1));
	if (p->name[0])
		conf->parameters++;
}

void postfix_parse_main(struct postfix_conf *conf, const char *text, size_t length)
{
	struct lines l = { text, text + length };
	char line[LINE];

	while (next_line(&l, line))
		set(conf, -1, line);
}

/* The next word, or the text in braces. Terminates it in place and returns where to continue; NULL:
 * there is none. */
static char *next_word(char *at, char **ret_word)
{
	int depth = 0;

	while (isspace((unsigned char)*at))
		at++;
	if (!*at)
		return NULL;
	*ret_word = at;
	for (; *at && (depth || !isspace((unsigned char)*at)); at++) {
		if (*at == '{')
			depth++;
		else if (*at == '}' && depth)
			depth--;
	}
	if (*at)
		*at++ = 0;
	return at;
}

static void strip_braces(char **word)
{
	size_t n = strlen(*word);

	if (n >= 2 && (*word)[0] == '{' && (*word)[n - 1] == '}') {
		(*word)[n - 1] = 0;
		(*word)++;
	}
}

static void parse_service(struct postfix_conf *conf, char *line)
{
	struct postfix_service *s = &conf->service[conf->services];
	char *field[8], *word, *at = line;
	int n = 0, index = (int)conf->services;

	while (n < 8 && (at = next_word(at, &field[n])))
		n++;
	if (n < 8 || conf->services == POSTFIX_SERVICES)
		return;
	copy(s->name, sizeof(s->name), field[0], strlen(field[0]));
	copy(s->type, sizeof(s->type), field[1], strlen(field[1]));
	copy(s->maxproc, sizeof(s->maxproc), field[6], strlen(field[6]));
	copy(s->command, sizeof(s->command), field[7], strlen(field[7]));
	conf->services++;
	while ((at = next_word(at, &word))) {
		if (strcmp(word, "-o") != 0)
			continue;
		at = next_word(at, &word);
		if (!at)
			return;
		strip_braces(&word);
		set(conf, index, word);
	}
}

void postfix_parse_master(struct postfix_conf *conf, const char *text, size_t length)
{
	struct lines l = { text, text + length };
	char line[LINE];

	while (next_line(&l, line))
		parse_service(conf, line);
}

/* ---- values --------------------------------------------------------------------------------- */

static const struct postfix_parameter *find(const struct postfix_conf *conf, int service,
					    const char *name)
{
	for (unsigned i = conf->parameters; i-- > 0;)
		if (conf->parameter[i].service == service &&
		    strcmp(conf->parameter[i].name, name) == 0)
			return &conf->parameter[i];
	return NULL;
}

bool postfix_overrides(const struct postfix_conf *conf, int service, const char *name)
{
	return service >= 0 && find(conf, service, name);
}

static void expand(const struct postfix_conf *conf, int service, const char *value,
		   struct text *out, int depth, unsigned *names)
{
	const struct postfix_parameter *p;
	char name[80];

	while (*value) {
		size_t plain = strcspn(value, "$"), n;
		bool braced;

		text_append_bytes(out, value, plain);
		value += plain;
		if (!*value)
			return;
		braced = value[1] == '{' || value[1] == '(';
		value += braced ? 2 : 1;
		n = strspn(value,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
		copy(name, sizeof(name), value, n);
		value += n;
		if (braced) /* skips ${name?text} and the like, too, which are not supported */
			value += strcspn(value, "})");
		if (braced && *value)
			value++;
		p = service >= 0 ? find(conf, service, name) : NULL;
		p = p ? p : find(conf, -1, name);
		if (p && depth > 0 && *names > 0) {
			(*names)--;
			expand(conf, service, p->value, out, depth - 1, names);
		}
	}
}

const char *postfix_value(const struct postfix_conf *conf, int service, const char *name,
			  const char *otherwise, char *ret)
{
	const struct postfix_parameter *p = service >= 0 ? find(conf, service, name) : NULL;
	struct text out = { .data = ret, .size = POSTFIX_VALUE };
	unsigned names = NAMES;

	p = p ? p : find(conf, -1, name);
	ret[0] = 0;
	expand(conf, service, p ? p->value : otherwise, &out, DEPTH, &names);
	return ret;
}
