#include "penstockctl/check_live.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/array.h"
#include "base/duration.h"
#include "config/guards.h"
#include "core/fault.h"
#include "publish/words.h"

#define DEFAULT_FILE "/etc/penstock/penstock.conf"
#define RECENT_S 900

static const char *string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static time_t changed(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mtime : 0;
}

/* The last change of FILE, of the files in FILE.d, and of that directory, since a file may have
 * been removed. */
static time_t last_change(const char *file)
{
	char directory[300], path[600];
	time_t last = changed(file), one;
	struct dirent *entry;
	DIR *dir;

	snprintf(directory, sizeof(directory), "%s.d", file);
	one = changed(directory);
	last = one > last ? one : last;
	dir = opendir(directory);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		one = changed(path);
		last = one > last ? one : last;
	}
	if (dir)
		closedir(dir);
	return last;
}

static void state_dir(struct check *c, const json_t *status)
{
	const json_t *state = json_object_get(status, "state_dir");
	const char *path =
		string(json_object_get(json_object_get(status, "config"), "origin"), "state_dir");
	char what[500];

	if (!json_is_false(json_object_get(state, "written")))
		return;
	snprintf(
		what, sizeof(what),
		"penstockd cannot write to its state directory%s%.200s: %s. What cannot be written is lost at a restart: the history, what was learned, or which senders wait",
		*path ? " " : "", path, string(state, "reason"));
	check_found(
		c, "state-dir", what, "%s",
		"free space there, or correct its owner and mode: it belongs to the user that penstockd runs as");
}

static void fleet(struct check *c, const json_t *status)
{
	const json_t *fleet = json_object_get(status, "fleet");

	if (json_is_true(json_object_get(fleet, "enabled")) &&
	    !json_is_true(json_object_get(fleet, "connected")))
		check_found(
			c, "fleet-alone",
			"the store of the fleet does not answer: this host decides alone, senders have to wait on each host by itself",
			"%s: %s. Start it, or correct [fleet]; penstockctl fleet shows all hosts",
			string(fleet, "server"), string(fleet, "reason"));
}

static void files(struct check *c, const char *file, const json_t *status)
{
	const char *loaded = string(json_object_get(status, "config"), "loaded");
	struct tm tm = { 0 };
	const char *end = strptime(loaded, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (!json_is_true(
		    json_object_get(json_object_get(status, "config"), "last_reload_successful")))
		check_found(
			c, "not-in-force",
			"the last reload failed: the configuration of before is in force", "%s",
			"penstockd --check-config names file, line and reason; then penstockctl reload");
	else if (end && last_change(file) > timegm(&tm))
		check_found(
			c, "not-in-force",
			"the configuration on disk was changed after penstockd had read it: what it says is not in force",
			"%s", "penstockd --check-config, then penstockctl reload");
}

static void mode(struct check *c, const json_t *status)
{
	const struct config *config = c->config;
	bool enabled = false;
	struct config_guard f;
	char what[300];

	for (unsigned i = 0; config_guard(config, i, &f); i++)
		enabled |= f.enabled;
	if (!enabled || strcmp(string(status, "mode"), "observe") != 0)
		return;
	snprintf(what, sizeof(what),
		 "a front is enabled, and penstockd observes: no connection is refused%s",
		 config->mode == PLAN_OBSERVE ? "" : ", although the file says mode = enforce");
	check_found(
		c, "observing", what, "%s",
		config->mode == PLAN_OBSERVE
			? "when you have seen enough: [daemon] mode = enforce, then penstockctl reload"
			: "penstockctl reload, or penstockctl mode enforce");
}

static const char *what_starts(const char *front)
{
	if (strcmp(front, "gate") == 0)
		return "penstockctl reload; penstockctl support says whether the gate can stand here";
	if (strcmp(front, "proxy") == 0)
		return "systemctl enable --now penstock-proxy; its log says why it does not run";
	return "penstockctl reload; the log of penstockd says why it does not listen";
}

static void fronts(struct check *c, const json_t *status)
{
	const json_t *by_front = json_object_get(json_object_get(status, "decisions"), "by_front");
	struct config_guard front;
	char what[300];

	for (unsigned i = 0; config_guard(c->config, i, &front); i++) {
		const json_t *f = json_object_get(by_front, front.name);

		if (!front.enabled || json_is_true(json_object_get(f, "up")))
			continue;
		snprintf(what, sizeof(what), "front.%s is enabled, and it is %s%s%.160s",
			 front.name, f ? "down" : "not running", f ? ": " : "",
			 f ? string(f, "reason") : "");
		check_found(c, "front-down", what, "%s", what_starts(front.name));
	}
}

/* A host may do without, but it should know: after an update of the kernel or of the unit, say. */
static void bpf(struct check *c, const json_t *status)
{
	const json_t *found = json_object_get(status, "bpf");
	char what[400];

	if (!c->config->bpf || !json_is_false(json_object_get(found, "used")))
		return;
	snprintf(what, sizeof(what), "penstockd does without BPF: %.300s", string(found, "reason"));
	check_found(
		c, "bpf", what, "%s",
		"remove the cause (penstockctl support as root says what the kernel allows), then systemctl restart penstockd; or [daemon] bpf = no, if that is meant");
}

static void faults(struct check *c, const json_t *status)
{
	static const char *const ids[] = {
#define X(id, name, ...) "fault-" name,
		FAULT_TABLE(X)
#undef X
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
		const json_t *f = json_object_get(json_object_get(status, "faults"),
						  fault_name((enum fault)i));
		const char *address = string(f, "address");
		char what[400], age[DURATION_PRINTED];

		if (!f || json_number_value(json_object_get(f, "last_s")) > RECENT_S)
			continue;
		snprintf(what, sizeof(what), "%.0f times, the last %s ago: %s%s%s. %s",
			 json_number_value(json_object_get(f, "count")),
			 duration_print(json_number_value(json_object_get(f, "last_s")), age),
			 string(f, "what"), *address ? ": " : "", address,
			 string(f, "consequence"));
		check_found(c, ids[i], what, "%s", string(f, "remedy"));
	}
}

void check_live(struct check *c, const char *file, const json_t *status)
{
	files(c, file ? file : DEFAULT_FILE, status);
	state_dir(c, status);
	fleet(c, status);
	mode(c, status);
	fronts(c, status);
	bpf(c, status);
	faults(c, status);
}
