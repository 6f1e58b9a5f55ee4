#include "publish/template.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 8
#define NAME_MAX_BYTES 64

struct scope {
	const json_t *at[DEPTH_MAX];
	int depth;
	struct evbuffer *out;
};

/* Text that came from outside (an operator's reason, a file name) must not become markup. */
static void put_escaped(struct evbuffer *out, const char *text)
{
	while (*text) {
		size_t plain = strcspn(text, "<>&\"'");
		const char *entity;

		evbuffer_add(out, text, plain);
		text += plain;
		entity = *text == '<'	 ? "&lt;"
			 : *text == '>'	 ? "&gt;"
			 : *text == '&'	 ? "&amp;"
			 : *text == '"'	 ? "&quot;"
			 : *text == '\'' ? "&#39;"
					 : NULL;

		if (entity)
			evbuffer_add(out, entity, strlen(entity));
		text += entity != NULL;
	}
}

static const json_t *look_up(const struct scope *s, const char *name)
{
	if (strcmp(name, ".") == 0)
		return s->at[s->depth - 1];
	for (int i = s->depth; i-- > 0;) {
		const json_t *value = json_object_get(s->at[i], name);

		if (value)
			return value;
	}
	return NULL;
}

static void put_value(const struct scope *s, const char *name)
{
	const json_t *value = look_up(s, name);

	if (json_is_string(value))
		put_escaped(s->out, json_string_value(value));
	else if (json_is_integer(value))
		evbuffer_add_printf(s->out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		evbuffer_add_printf(s->out, "%g", json_real_value(value));
}

static bool is_there(const json_t *value)
{
	if (json_is_array(value))
		return json_array_size(value) > 0;
	if (json_is_string(value))
		return json_string_value(value)[0] != 0;
	return json_is_object(value) || json_is_true(value) || json_is_number(value);
}

/* Finds the next {{tag}} from `at` on: its kind ('#', '^', '/' or 0), its name, and where the text
 * behind it begins. NULL: none. */
static const char *next_tag(const char *at, char *ret_kind, char name[NAME_MAX_BYTES],
			    const char **ret_after)
{
	const char *open = strstr(at, "{{"), *begin = open ? open + 2 : NULL;
	const char *close = begin ? strstr(begin, "}}") : NULL;
	size_t length;

	if (!open)
		return NULL;
	*ret_kind = strchr("#^/", *begin) ? *begin : 0;
	begin += *ret_kind != 0;
	length = close && close >= begin ? (size_t)(close - begin) : NAME_MAX_BYTES;
	if (length >= NAME_MAX_BYTES)
		length = 0;
	memcpy(name, begin, length);
	name[length] = 0;
	*ret_after = length ? close + 2 : NULL;
	return open;
}

/* Renders up to the end of section `until` (NULL: of the text). Returns where the text behind it
 * begins; NULL: an error. With `silent` nothing is written. */
static const char *render(struct scope *s, const char *at, const char *until, bool silent);

static const char *render_section(struct scope *s, const char *at, char kind, const char *name,
				  bool silent)
{
	const json_t *value = look_up(s, name), *one;
	const char *after = NULL;
	size_t i;

	if (s->depth == DEPTH_MAX)
		return NULL;
	if (silent || is_there(value) != (kind == '#')) {
		s->at[s->depth++] = NULL;
		after = render(s, at, name, true);
		s->depth--;
		return after;
	}
	s->at[s->depth++] = value;
	if (json_is_array(value)) {
		json_array_foreach(value, i, one)
		{
			s->at[s->depth - 1] = one;
			after = render(s, at, name, false);
			if (!after)
				break;
		}
		if (kind == '^')
			after = render(s, at, name, false);
	} else {
		after = render(s, at, name, false);
	}
	s->depth--;
	return after;
}

static const char *render(struct scope *s, const char *at, const char *until, bool silent)
{
	char kind, name[NAME_MAX_BYTES];
	const char *open, *after;

	while ((open = next_tag(at, &kind, name, &after))) {
		if (!after)
			return NULL;
		if (!silent)
			evbuffer_add(s->out, at, (size_t)(open - at));
		at = after;
		if (kind == '/')
			return until && strcmp(name, until) == 0 ? after : NULL;
		if (kind == 0 && !silent)
			put_value(s, name);
		else if (kind != 0)
			at = render_section(s, after, kind, name, silent);
		if (!at)
			return NULL;
	}
	if (until)
		return NULL;
	evbuffer_add(s->out, at, strlen(at));
	return at + strlen(at);
}

int template_render(const char *template, const json_t *root, struct evbuffer *out)
{
	struct scope s = { .at = { root }, .depth = 1, .out = out };

	return render(&s, template, NULL, false) ? 0 : -EINVAL;
}
