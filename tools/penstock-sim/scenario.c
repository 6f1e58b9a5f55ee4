#include "penstock-sim/scenario.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

static const struct {
	const char *name;
	size_t offset;
	char kind; /* d duration, n number, b bytes */
} plant_keys[] = {
	{ "cores", offsetof(struct plant_config, cores), 'n' },
	{ "machine", offsetof(struct plant_config, machine_cores), 'n' },
	{ "cost", offsetof(struct plant_config, cost_s), 'd' },
	{ "lookup", offsetof(struct plant_config, lookup_s), 'd' },
	{ "think", offsetof(struct plant_config, think_s), 'd' },
	{ "commit", offsetof(struct plant_config, commit_s), 'd' },
	{ "session_memory", offsetof(struct plant_config, session_bytes), 'b' },
	{ "memory", offsetof(struct plant_config, memory_bytes), 'b' },
	{ "slots", offsetof(struct plant_config, slots), 'n' },
	{ "knee", offsetof(struct plant_config, knee), 'n' },
	{ "thrash", offsetof(struct plant_config, thrash), 'n' },
};

void scenario_init(struct scenario *s)
{
	memset(s, 0, sizeof(*s));
	s->plant = (struct plant_config){ .cores = 1,
					  .machine_cores = 1,
					  .cost_s = 0.01,
					  .think_s = 0.1,
					  .slots = 1000,
					  .see_cost = true,
					  .see_dialogue = true };
}

static int number(const char *text, char kind, double *ret)
{
	uint64_t n;
	int r;

	if (kind == 'n')
		return parse_double(text, ret);
	r = kind == 'd' ? parse_duration_us(text, &n) : parse_bytes(text, &n);
	if (r == 0)
		*ret = kind == 'd' ? (double)n / 1e6 : (double)n;
	return r;
}

static int plant_line(struct scenario *s, char *rest, char *why)
{
	char *word;

	while ((word = strsep(&rest, " \t"))) {
		char *value = strchr(word, '=');
		bool known = false;

		if (!*word)
			continue;
		if (strcmp(word, "hidden-cost") == 0) {
			s->plant.see_cost = false;
			continue;
		}
		if (strcmp(word, "hidden-dialogue") == 0) {
			s->plant.see_dialogue = false;
			continue;
		}
		if (value)
			*value++ = 0;
		for (size_t i = 0; i < ARRAY_SIZE(plant_keys) && value; i++) {
			if (strcmp(plant_keys[i].name, word) != 0)
				continue;
			known = number(value, plant_keys[i].kind,
				       (double *)((char *)&s->plant + plant_keys[i].offset)) == 0;
		}
		if (!known) {
			snprintf(why, 128, "plant has no such key or value: %s", word);
			return -EINVAL;
		}
	}
	return 0;
}

static int event_number(const char *word, double *ret)
{
	for (int i = 0; i < LEVEL__COUNT; i++)
		if (word && strcmp(word, level_name((enum level_number)i)) == 0) {
			*ret = i;
			return 0;
		}
	for (int i = 0; i < STATE__COUNT; i++)
		if (word && strcmp(word, engine_state_name((enum engine_state)i)) == 0) {
			*ret = i;
			return 0;
		}
	if (word && strcmp(word, "absent") == 0) {
		*ret = -1;
		return 0;
	}
	return word ? parse_double(word, ret) : -EINVAL;
}

static int parse_event(struct event *e, char **words, unsigned count)
{
	const char *verb = words[2], *name = count > 3 ? words[3] : NULL;

	if (!name || strlen(name) >= sizeof(e->name))
		return -EINVAL;
	strcpy(e->name, name);
	if (strcmp(verb, "set") == 0 && count == 5) {
		e->kind = signal_by_name(name) < SIGNAL__COUNT ? EVENT_SIGNAL : EVENT_SET;
		return event_number(words[4], &e->value);
	}
	if (strcmp(verb, "order") == 0 && count == 4) {
		e->kind = EVENT_ORDER;
		return 0;
	}
	if (strcmp(verb, "ramp") == 0 && count == 8 && strcmp(words[4], "to") == 0 &&
	    strcmp(words[6], "over") == 0) {
		e->kind = EVENT_RAMP;
		return event_number(words[5], &e->value) < 0 ? -EINVAL
							     : parse_double(words[7], &e->over_s);
	}
	if (strcmp(verb, "expect") == 0 &&
	    (count == 6 || (count == 8 && strcmp(words[6], "over") == 0)) &&
	    strlen(words[4]) <= 2 && strspn(words[4], "<>=!") == strlen(words[4])) {
		e->kind = EVENT_EXPECT;
		strcpy(e->operator, words[4]);
		e->over_s = 1;
		if (count == 8 && parse_double(words[7], &e->over_s) < 0)
			return -EINVAL;
		return event_number(words[5], &e->value);
	}
	return -EINVAL;
}

int scenario_line(struct scenario *s, unsigned line, char *text, char *why)
{
	char *words[10], *rest, *word;
	char copy[96];
	unsigned count = 0;
	struct event *e;

	text[strcspn(text, "#\r\n")] = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	if (strncmp(text, "plant ", 6) == 0)
		return plant_line(s, text + 6, why);
	rest = text;
	while ((word = strsep(&rest, " \t")) && count < ARRAY_SIZE(words))
		if (*word)
			words[count++] = word;
	if (count == 0)
		return 0;
	if (count == 2 && strcmp(words[0], "end") == 0 && parse_double(words[1], &s->end_s) == 0)
		return 0;
	if (s->events == SCENARIO_EVENTS) {
		snprintf(why, 128, "more than %d events", SCENARIO_EVENTS);
		return -EINVAL;
	}
	e = &s->event[s->events];
	memset(e, 0, sizeof(*e));
	e->line = line;
	snprintf(e->text, sizeof(e->text), "%s", copy);
	if (count < 4 || strcmp(words[0], "at") != 0 || parse_double(words[1], &e->at_s) < 0 ||
	    parse_event(e, words, count) < 0) {
		snprintf(why, 128, "cannot make sense of \"%.80s\"", copy);
		return -EINVAL;
	}
	s->events++;
	return 0;
}
