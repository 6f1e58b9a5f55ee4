#include "core/attribution.h"

#include <string.h>

#include "core/law.h"

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* A slice only groups other units. */
static bool is_slice(const char *name)
{
	return ends_with(name, ".slice");
}

static int largest_child(const struct attribution_group *g, const double *use, unsigned count,
			 int parent)
{
	int best = ATTRIBUTION_NONE;

	for (unsigned i = 0; i < count; i++)
		if (g[i].parent == parent && !g[i].mail && use[i] > USE_TRIFLE &&
		    (best < 0 || use[i] > use[best]))
			best = (int)i;
	return best;
}

static bool begins_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

bool attribution_is_own(const char *unit)
{
	static const char *const log[] = { "systemd-journald.service", "rsyslog.service",
					   "syslog-ng.service", "syslog.service" };
	/* packaging/systemd; instances of these, too */
	static const char *const own[] = { "penstockd", "penstock-proxy", "penstock-agent",
					   "penstock-refusals" };

	for (size_t i = 0; i < sizeof(log) / sizeof(log[0]); i++)
		if (strcmp(unit, log[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (begins_with(unit, own[i]) && ends_with(unit, ".service"))
			return true;
	return false;
}

struct attribution attribution_find(const struct attribution_group *g, unsigned count, double total,
				    double floor, double *use)
{
	struct attribution b = { .who = ATTRIBUTION_NONE };
	double grouped = 0, mail = 0, outside;
	int next;

	for (unsigned i = 0; i < count; i++)
		use[i] = g[i].use;
	/* Subtract the mail server's use from the groups above it. */
	for (unsigned i = 0; i < count; i++) {
		bool inside = false;

		for (int up = g[i].parent; up >= 0; up = g[up].parent)
			inside |= g[up].mail;
		if (!g[i].mail || inside)
			continue;
		mail += g[i].use;
		for (int up = g[i].parent; up >= 0; up = g[up].parent)
			use[up] -= g[i].use;
	}
	for (unsigned i = 0; i < count; i++)
		if (g[i].parent < 0 && !g[i].mail)
			grouped += use[i] > 0 ? use[i] : 0;
	outside = total >= 0 && total > grouped + mail ? total - grouped - mail : 0;
	next = largest_child(g, use, count, -1);
	while (next >= 0) {
		b.who = next;
		b.use = use[next];
		next = largest_child(g, use, count, b.who);
		if (next >= 0 && !is_slice(g[b.who].name) && use[next] < NAMED_PART * b.use)
			next = ATTRIBUTION_NONE;
	}
	if (outside > b.use && outside > USE_TRIFLE) {
		b.who = ATTRIBUTION_OUTSIDE;
		b.use = outside;
	}
	if (b.who != ATTRIBUTION_NONE && b.use < floor)
		b = (struct attribution){ .who = ATTRIBUTION_NONE };
	if (b.who != ATTRIBUTION_NONE)
		b.share = b.use / (grouped + outside);
	if (b.share > 1)
		b.share = 1;
	return b;
}
