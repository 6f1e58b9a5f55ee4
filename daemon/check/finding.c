/* What the checks share: adding a finding, and reading a file below the root. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/readfile.h"
#include "check/check.h"

const char *check_severity_name(enum check_severity severity)
{
	static const char *const names[] = { "note", "warning", "error" };

	return names[severity];
}

static bool is_one_of(const char *id, const char *const *ids)
{
	for (; *ids; ids++)
		if (strcmp(id, *ids) == 0)
			return true;
	return false;
}

static enum check_severity severity_of(const char *id)
{
	static const char *const errors[] = { "configuration",
					      "proxy-protocol",
					      "addresses-hidden",
					      "backend-open",
					      "gate",
					      "netns",
					      "docker-proxy",
					      "policy-default-action",
					      "policy-scope",
					      "delay-reject-scope",
					      "policy-not-asked",
					      "front-down",
					      "fault-backend_down",
					      "fault-backend_rejects",
					      NULL };
	static const char *const notes[] = { "psi",	   "bpf",   "queue-minfree",
					     "queue-dirs", "slots", "processes-memory",
					     NULL };

	return is_one_of(id, errors)  ? CHECK_ERROR
	       : is_one_of(id, notes) ? CHECK_NOTE
				      : CHECK_WARNING;
}

enum check_severity check_worst(const struct check *c)
{
	enum check_severity worst = CHECK_NOTE;

	for (unsigned i = 0; i < c->findings && i < CHECK_FINDINGS; i++)
		if (c->finding[i].severity > worst)
			worst = c->finding[i].severity;
	return worst;
}

/* `what` is text; `todo` a format with its arguments, so that it can name values. */
void check_found(struct check *c, const char *id, const char *what, const char *todo, ...)
{
	struct check_finding *f;
	va_list arguments;

	if (c->findings++ >= CHECK_FINDINGS)
		return;
	f = &c->finding[c->findings - 1];
	f->id = id;
	f->severity = severity_of(id);
	snprintf(f->what, sizeof(f->what), "%s", what);
	va_start(arguments, todo);
	vsnprintf(f->todo, sizeof(f->todo), todo, arguments);
	va_end(arguments);
}

void check_skip(struct check *c, const char *format, ...)
{
	va_list arguments;

	if (c->skipped == ARRAY_SIZE(c->skip))
		return;
	va_start(arguments, format);
	vsnprintf(c->skip[c->skipped++], sizeof(c->skip[0]), format, arguments);
	va_end(arguments);
}

int check_read(const struct check *c, const char *path, char *buf, size_t size)
{
	char whole[CONFIG_PATH_MAX + 128];

	snprintf(whole, sizeof(whole), "%s%s", c->root, path);
	return readfile_at(AT_FDCWD, whole, buf, size);
}

int check_read_u64(const struct check *c, const char *path, uint64_t *ret)
{
	char whole[CONFIG_PATH_MAX + 128];

	snprintf(whole, sizeof(whole), "%s%s", c->root, path);
	return readfile_u64_at(AT_FDCWD, whole, ret);
}

bool check_guarded(const struct check *c, const char *service)
{
	const struct config *config = c->config;

	return (config->gate.enabled && strcmp(config->gate.service, service) == 0) ||
	       (config->proxy.enabled && strcmp(config->proxy.service, service) == 0) ||
	       (config->policy.enabled && strcmp(config->policy.service, service) == 0);
}
