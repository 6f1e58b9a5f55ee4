#include "penstock-sim/scenario.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/parse.h"

/* d: a duration with its unit, n: a number, b: bytes with a unit, f: a flag */
struct key {
	const char *name;
	size_t offset;
	char kind;
};

#define KEY(name, field, kind) \
	{ \
		name, offsetof(struct scenario, field), kind \
	}
static const struct key plant_keys[] = {
	KEY("cores", plant.cores, 'n'),
	KEY("machine", plant.machine_cores, 'n'),
	KEY("cost", plant.cost_s, 'd'),
	KEY("lookup", plant.lookup_s, 'd'),
	KEY("lookup_share", plant.lookup_share, 'n'),
	KEY("stalled", plant.stalled, 'n'),
	KEY("check", plant.check_s, 'd'),
	KEY("check_share", plant.check_share, 'n'),
	KEY("check_slots", plant.check_slots, 'n'),
	KEY("check_last", plant.check_last, 'n'),
	KEY("think", plant.think_s, 'd'),
	KEY("think_slow", plant.think_slow_s, 'd'),
	KEY("slow_share", plant.slow_share, 'n'),
	KEY("commit", plant.commit_s, 'd'),
	KEY("commit_each", plant.commit_each_s, 'd'),
	KEY("filter", plant.filter_s, 'd'),
	KEY("filter_slots", plant.filter_slots, 'n'),
	KEY("filter_clients", plant.filter_clients, 'n'),
	KEY("grouped", plant.by_group, 'f'),
	KEY("session_memory", plant.session_bytes, 'b'),
	KEY("memory_spread", plant.memory_spread, 'n'),
	KEY("memory", plant.memory_bytes, 'b'),
	KEY("slots", plant.slots, 'n'),
	KEY("backlog", plant.backlog, 'n'),
	KEY("fork", plant.fork_s, 'd'),
	KEY("idle", plant.idle_s, 'd'),
	KEY("knee", plant.knee, 'n'),
	KEY("thrash", plant.thrash, 'n'),
	KEY("reject", plant.reject_s, 'd'),
	KEY("greet_patience", plant.greet_patience_s, 'd'),
	KEY("done_patience", plant.done_patience_s, 'd'),
	KEY("objective", plant.objective_s, 'd'),
	KEY("slots_known", slots_known, 'n'),
	KEY("shared", shared, 'f'),
	KEY("hidden-cost", sense.hide_cost, 'f'),
	KEY("hidden-dialogue", sense.hide_dialogue, 'f'),
};
static const struct key sense_keys[] = {
	KEY("delay", sense.delay_s, 'd'),
	KEY("loss", sense.loss, 'n'),
	KEY("noise", sense.noise, 'n'),
	KEY("verdict_delay", verdict_delay_s, 'd'),
	KEY("hidden-cost", sense.hide_cost, 'f'),
	KEY("hidden-dialogue", sense.hide_dialogue, 'f'),
	KEY("filter-apart", sense.filter_apart, 'f'),
	KEY("gate", gate, 'f'),
};
static const struct key law_keys[] = {
	KEY("slots", params.slots, 'n'),
	KEY("target", params.target_s, 'd'),
	KEY("loadavg", params.loadavg, 'n'),
	KEY("lag", params.lag_s, 'd'),
	KEY("memory", params.memory, 'n'),
	KEY("sources", params.sources, 'n'),
	KEY("ledger", params.ledger_bytes, 'b'),
	KEY("rates", params.rate_bytes, 'b'),
	KEY("warm", params.warm, 'n'),
	KEY("staleness", params.staleness, 'n'),
	KEY("longest_deferral", params.longest_deferral_s, 'd'),
	KEY("longest_attempts", params.longest_attempts, 'n'),
};
static const struct key fleet_keys[] = {
	KEY("hosts", hosts, 'n'),
	KEY("memory", fleet_memory_bytes, 'b'),
};
#define GROUP_KEY(name, field, kind) \
	{ \
		name, offsetof(struct sender_group, field), kind \
	}
static const struct key group_keys[] = {
	GROUP_KEY("count", count, 'n'),
	GROUP_KEY("share", share, 'n'),
	GROUP_KEY("addresses", addresses, 'n'),
	GROUP_KEY("zipf", zipf, 'n'),
	GROUP_KEY("mx", mx, 'n'),
	GROUP_KEY("size", size_sigma, 'n'),
	GROUP_KEY("fresh", fresh, 'n'),
	GROUP_KEY("pool", pool, 'n'),
};

void scenario_init(struct scenario *s)
{
	memset(s, 0, sizeof(*s));
	s->plant = (struct plant_config){ .cores = 1,
					  .machine_cores = 1,
					  .cost_s = 0.01,
					  .think_s = 0.1,
					  .lookup_share = 1,
					  .check_share = 1,
					  .check_slots = 10,
					  .filter_slots = 20,
					  .filter_clients = 20,
					  .slots = 1000,
					  .backlog = 100000,
					  .greet_patience_s = 300,
					  .done_patience_s = 600,
					  .objective_s = 10 };
	law_params_default(&s->params);
	s->hosts = 1;
	s->fleet_memory_bytes = 8 << 20;
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

/* Assigns one word, KEY=VALUE or a flag, to the struct `base`. */
static int assign(const struct key *keys, size_t count, void *base, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = 0;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(keys[i].name, word) != 0)
			continue;
		if (keys[i].kind == 'f') {
			*((bool *)base + keys[i].offset) = true;
			return value ? -EINVAL : 0;
		}
		return value ? number(value, keys[i].kind,
				      (double *)(void *)((char *)base + keys[i].offset))
			     : -EINVAL;
	}
	return -EINVAL;
}

static int assign_all(const struct key *keys, size_t count, void *base, char *rest, char *why)
{
	char *word;

	while ((word = strsep(&rest, " \t")))
		if (*word && assign(keys, count, base, word) < 0) {
			snprintf(why, 128, "there is no such key or value: %.80s", word);
			return -EINVAL;
		}
	return 0;
}

static int senders_line(struct scenario *s, char *rest, char *why)
{
	struct sender_group *g = &s->group[s->groups];
	char *name = strsep(&rest, " \t"), *word;

	if (s->groups == SENDERS_GROUPS || !name || !*name || strlen(name) >= sizeof(g->name)) {
		snprintf(why, 128, "senders NAME KEY=VALUE..., %d groups at most", SENDERS_GROUPS);
		return -EINVAL;
	}
	*g = (struct sender_group){ .count = 1, .share = 1, .addresses = 1, .mx = 1 };
	strcpy(g->name, name);
	while ((word = strsep(&rest, " \t"))) {
		if (strncmp(word, "retry=", 6) == 0) {
			g->retry = retry_by_name(word + 6);
			if (g->retry == RETRY__COUNT) {
				snprintf(why, 128, "there is no retry schedule %.60s", word + 6);
				return -EINVAL;
			}
		} else if (*word && assign(group_keys, ARRAY_SIZE(group_keys), g, word) < 0) {
			snprintf(why, 128, "senders have no such key or value: %.80s", word);
			return -EINVAL;
		}
	}
	if (g->count < 1 || g->count > 1e8 || g->share < 0 || g->mx < 1 || g->mx > SENDERS_MX) {
		snprintf(why, 128, "senders %s: count is 1 to 1e8, share at least 0, mx 1 to %d",
			 g->name, SENDERS_MX);
		return -EINVAL;
	}
	s->groups++;
	return 0;
}

static int script_number(const char *word, double *ret)
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

static int parse_event(struct script_event *e, char **words, unsigned count)
{
	const char *verb = words[2], *name = count > 3 ? words[3] : NULL;

	if (!name || strlen(name) >= sizeof(e->name))
		return -EINVAL;
	strcpy(e->name, name);
	if (strcmp(verb, "set") == 0 && count == 5) {
		bool of_one = strncmp(name, "host", 4) == 0 && strchr(name, '.');

		name = of_one ? strchr(name, '.') + 1 : name;
		e->kind = signal_by_name(name) < SIGNAL__COUNT ? SCRIPT_SIGNAL : SCRIPT_SET;
		return script_number(words[4], &e->value);
	}
	if (strcmp(verb, "order") == 0 && count == 4) {
		e->kind = SCRIPT_ORDER;
		return 0;
	}
	if (strcmp(verb, "ramp") == 0 && count == 8 && strcmp(words[4], "to") == 0 &&
	    strcmp(words[6], "over") == 0) {
		e->kind = SCRIPT_RAMP;
		return script_number(words[5], &e->value) < 0 ? -EINVAL
							      : parse_double(words[7], &e->over_s);
	}
	if (strcmp(verb, "expect") == 0 &&
	    (count == 6 || (count == 8 && strcmp(words[6], "over") == 0)) &&
	    strlen(words[4]) <= 2 && strspn(words[4], "<>=!") == strlen(words[4])) {
		e->kind = SCRIPT_EXPECT;
		strcpy(e->operator, words[4]);
		e->over_s = 1;
		if (count == 8 && parse_double(words[7], &e->over_s) < 0)
			return -EINVAL;
		return script_number(words[5], &e->value);
	}
	return -EINVAL;
}

static int at_line(struct scenario *s, unsigned line, char **words, unsigned count,
		   const char *copy, char *why)
{
	struct script_event *e = &s->event[s->events];

	if (s->events == SCENARIO_EVENTS) {
		snprintf(why, 128, "more than %d events", SCENARIO_EVENTS);
		return -EINVAL;
	}
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

static int fleet_line(struct scenario *s, char *rest, char *why)
{
	if (assign_all(fleet_keys, ARRAY_SIZE(fleet_keys), s, rest, why) < 0)
		return -EINVAL;
	if (s->hosts >= 1 && s->hosts <= SCENARIO_HOSTS)
		return 0;
	snprintf(why, 128, "a fleet has 1 to %d hosts", SCENARIO_HOSTS);
	return -EINVAL;
}

int scenario_line(struct scenario *s, unsigned line, char *text, char *why)
{
	char *words[10], *rest, *word;
	char copy[96];
	unsigned count = 0;

	text[strcspn(text, "#\r\n")] = 0;
	snprintf(copy, sizeof(copy), "%s", text);
	if (strncmp(text, "plant ", 6) == 0)
		return assign_all(plant_keys, ARRAY_SIZE(plant_keys), s, text + 6, why);
	if (strncmp(text, "sense ", 6) == 0)
		return assign_all(sense_keys, ARRAY_SIZE(sense_keys), s, text + 6, why);
	if (strncmp(text, "law ", 4) == 0)
		return assign_all(law_keys, ARRAY_SIZE(law_keys), s, text + 4, why);
	if (strncmp(text, "fleet ", 6) == 0)
		return fleet_line(s, text + 6, why);
	if (strncmp(text, "senders ", 8) == 0)
		return senders_line(s, text + 8, why);
	rest = text;
	while ((word = strsep(&rest, " \t")) && count < ARRAY_SIZE(words))
		if (*word)
			words[count++] = word;
	if (count == 0)
		return 0;
	if (count == 2 && strcmp(words[0], "end") == 0 && parse_double(words[1], &s->end_s) == 0)
		return 0;
	if (count == 3 && strcmp(words[0], "overload") == 0 &&
	    parse_double(words[1], &s->overload_from_s) == 0 &&
	    parse_double(words[2], &s->overload_to_s) == 0)
		return 0;
	return at_line(s, line, words, count, copy, why);
}

int scenario_set(struct scenario *s, char *assignment, char *why)
{
	char copy[128], words[160], *value;

	snprintf(copy, sizeof(copy), "%s", assignment);
	if (assign(plant_keys, ARRAY_SIZE(plant_keys), s, copy) == 0)
		return 0;
	snprintf(copy, sizeof(copy), "%s", assignment);
	if (assign(sense_keys, ARRAY_SIZE(sense_keys), s, copy) == 0)
		return 0;
	snprintf(copy, sizeof(copy), "%s", assignment);
	if (strncmp(copy, "law.", 4) == 0 &&
	    assign(law_keys, ARRAY_SIZE(law_keys), s, copy + 4) == 0)
		return 0;
	snprintf(copy, sizeof(copy), "%s", assignment);
	if (strncmp(copy, "fleet.", 6) == 0)
		return fleet_line(s, copy + 6, why);
	value = strchr(copy, '=');
	if (value) {
		*value++ = 0;
		if (strcmp(copy, "end") == 0)
			return parse_double(value, &s->end_s);
		if (strcmp(copy, "without") == 0) {
			s->without = window_part_by_name(value);
			return s->without ? 0 : -EINVAL;
		}
		snprintf(words, sizeof(words), "at 0 set %s %s", copy, value);
		return scenario_line(s, 0, words, why);
	}
	snprintf(why, 128, "not KEY=VALUE: %.80s", assignment);
	return -EINVAL;
}
