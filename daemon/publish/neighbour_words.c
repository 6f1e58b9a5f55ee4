#include "publish/neighbour_words.h"

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "core/attribution.h"
#include "publish/words.h"

#define CPUS_FULL 0.9 /* cpu_busy_ratio */
#define TWENTIETH 0.05 /* of what the mail server takes */

/* Too small to cause pressure: naming it would mislead the reader. */
static bool is_small(enum resource r, const struct neighbour *who)
{
	static const double least[NEIGHBOUR_RESOURCES] = { [RESOURCE_CPU] = 0.05,
							   [RESOURCE_MEMORY] = 64.0 * (1 << 20),
							   [RESOURCE_DISK] = 256.0 * (1 << 10) };

	return who->use < least[r];
}

/* penstock's own units, and a unit that uses next to nothing, are not to blame. */
static bool is_to_blame(enum resource r, const struct neighbour *who)
{
	return who->known && !is_small(r, who) && !attribution_is_own(who->unit);
}

const struct neighbour *neighbour_who(const struct engine_view *view, const struct neighbours *n)
{
	enum resource r = view->pressure.driver;

	if (!view->foreign || r >= NEIGHBOUR_RESOURCES || !is_to_blame(r, &n->who[r]))
		return NULL;
	return &n->who[r];
}

bool neighbour_cpus_full(const struct engine_view *view, const struct sample *s)
{
	return view->pressure.resource[RESOURCE_CPU] >= 1 ||
	       sample_get(s, SIGNAL_CPU_BUSY_RATIO, 0) >= CPUS_FULL;
}

const struct neighbour *neighbour_starves(const struct engine_view *view, const struct sample *s,
					  const struct neighbours *n, bool *ret_more)
{
	const struct neighbour *who = &n->who[RESOURCE_CPU];
	double mail = sample_get(s, SIGNAL_MTA_CPU_CORES, -1);

	*ret_more = mail >= 0 && who->use > mail;
	if (mail < 0 && strcmp(who->path, "/") == 0)
		return NULL;
	if (!neighbour_cpus_full(view, s) || !is_to_blame(RESOURCE_CPU, who) ||
	    who->use < TWENTIETH * mail)
		return NULL;
	return who;
}

void neighbour_compare(const struct sample *s, const struct neighbour *who, struct text *out)
{
	double mail = sample_get(s, SIGNAL_MTA_CPU_CORES, -1);

	text_append(out, "%s %s ", who->unit,
		    strcmp(who->unit, NEIGHBOUR_OUTSIDE) == 0 ? "take" : "takes");
	words_value(out, UNIT_CORES, who->use);
	if (mail < 0)
		return;
	text_append(out, ", the mail server ");
	words_value(out, UNIT_CORES, mail);
}

static void put_name(const char *unit, const char *path, struct text *out)
{
	if (strcmp(path, "/") == 0)
		text_append(out, "%s", unit);
	else
		text_append(out, "%s (%s)", unit, path);
}

void neighbour_describe(enum resource resource, const struct neighbour *who, struct text *out)
{
	static const char *const of[NEIGHBOUR_RESOURCES] = {
		[RESOURCE_CPU] = "CPU time", [RESOURCE_MEMORY] = "memory", [RESOURCE_DISK] = "I/O"
	};
	static const enum unit units[NEIGHBOUR_RESOURCES] = { [RESOURCE_CPU] = UNIT_CORES,
							      [RESOURCE_MEMORY] = UNIT_BYTES,
							      [RESOURCE_DISK] = UNIT_BYTES_PER_S };

	if (resource >= NEIGHBOUR_RESOURCES)
		return;
	put_name(who->unit, who->path, out);
	text_append(out, ": %.0f %% of the %s that is not the mail server's (", who->share * 100,
		    of[resource]);
	words_value(out, units[resource], who->use);
	text_append(out, ")");
}

static bool is_unit(const char *name)
{
	static const char *const ends[] = { ".service", ".scope", ".slice" };
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (n > strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

static void advise_other(enum resource r, const struct neighbour *who, const char *what,
			 const char *property, struct text *out)
{
	static const char *const lists[NEIGHBOUR_RESOURCES] = { [RESOURCE_CPU] = "top -o %CPU",
								[RESOURCE_MEMORY] = "top -o %MEM",
								[RESOURCE_DISK] = "iotop -o" };

	if (is_unit(who->unit))
		text_append(out, "; or %s: systemctl set-property %s %s", what, who->unit,
			    property);
	else if (strcmp(who->unit, NEIGHBOUR_OUTSIDE) == 0)
		text_append(out, "; to see which processes they are, type: %s", lists[r]);
}

void neighbour_search(enum resource r, struct text *out)
{
	static const char *const sorted[NEIGHBOUR_RESOURCES] = {
		[RESOURCE_CPU] = "-c", [RESOURCE_MEMORY] = "-m", [RESOURCE_DISK] = "-i"
	};

	if (r < NEIGHBOUR_RESOURCES)
		text_append(out, "to see which control group it is, type: systemd-cgtop %s",
			    sorted[r]);
	else
		text_append(out, "to see which program sends or receives most, type: ss -tunpi");
}

void neighbour_advise(enum resource resource, const struct neighbour *who,
		      const struct neighbours *n, struct text *out)
{
	static const char *const weight[NEIGHBOUR_RESOURCES] = {
		[RESOURCE_CPU] = "CPUWeight", [RESOURCE_DISK] = "IOWeight"
	};
	const char *mail = is_unit(n->mail_unit) ? n->mail_unit : "MAIL-SERVER.service";
	char smaller[32];

	if (resource >= NEIGHBOUR_RESOURCES)
		return;
	if (resource == RESOURCE_MEMORY) {
		text_append(
			out,
			"give the mail server memory of its own: systemctl set-property %s MemoryLow=SIZE",
			mail);
		advise_other(resource, who, "limit the other", "MemoryHigh=SIZE", out);
		return;
	}
	text_append(out, "give the mail server a larger weight: systemctl set-property %s %s=1000",
		    mail, weight[resource]);
	snprintf(smaller, sizeof(smaller), "%s=20", weight[resource]);
	advise_other(resource, who, "the other a smaller one", smaller, out);
}

void neighbour_describe_leak(const struct leak *leak, struct text *out)
{
	put_name(leak->unit, leak->path, out);
	text_append(out, "%s has ", leak->mail ? ", the mail server itself," : "");
	words_value(out, UNIT_BYTES, leak->bytes);
	text_append(out, " and has grown by ");
	words_value(out, UNIT_BYTES_PER_S, leak->growth_per_s);
	text_append(out, " for ");
	words_value(out, UNIT_S, leak->seen_s);
	text_append(out, ": nothing is left in ");
	words_value(out, UNIT_S, leak->left_s);
}
