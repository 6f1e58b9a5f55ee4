#include "check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/readfile.h"

/* `what` is text; `todo` a format with its arguments, so that it can name values. */
void check_found(struct check *c, const char *id, const char *what, const char *todo, ...)
{
	struct check_finding *f;
	va_list arguments;

	if (c->findings++ >= CHECK_FINDINGS)
		return;
	f = &c->finding[c->findings - 1];
	f->id = id;
	snprintf(f->what, sizeof(f->what), "%s", what);
	va_start(arguments, todo);
	vsnprintf(f->todo, sizeof(f->todo), todo, arguments);
	va_end(arguments);
}

void check_skip(struct check *c, const char *format, ...)
{
	va_list arguments;

	if (c->skipped == sizeof(c->skip) / sizeof(c->skip[0]))
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

const struct config_service *check_service(const struct check *c, const char *name)
{
	int index = config_service_index(c->config, name);

	return index < 0 ? NULL : &c->config->service[index];
}

bool check_guarded(const struct check *c, const char *service)
{
	const struct config *config = c->config;

	return (config->gate.enabled && strcmp(config->gate.service, service) == 0) ||
	       (config->proxy.enabled && strcmp(config->proxy.service, service) == 0) ||
	       (config->policy.enabled && strcmp(config->policy.service, service) == 0);
}

static void read_postfix(struct check *c)
{
	static char buffer[262144];
	int n = check_read(c, "/etc/postfix/main.cf", buffer, sizeof(buffer));

	if (n < 0 && n != -EFBIG) {
		check_skip(c, "Postfix: %s/etc/postfix/main.cf: %s", c->root, strerror(-n));
		return;
	}
	c->postfix = true;
	postfix_parse_main(&c->conf, buffer, strlen(buffer));
	n = check_read(c, "/etc/postfix/master.cf", buffer, sizeof(buffer));
	if (n < 0 && n != -EFBIG)
		check_skip(c, "Postfix: %s/etc/postfix/master.cf: %s", c->root, strerror(-n));
	else
		postfix_parse_master(&c->conf, buffer, strlen(buffer));
}

static void find_kernel(struct check *c)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/proc/self", c->root);
	c->no_kernel = access(path, F_OK) < 0;
	if (c->no_kernel)
		check_skip(c, "the kernel, and who listens: %s: %s", path, strerror(errno));
}

void check_run(struct check *c)
{
	find_kernel(c);
	read_postfix(c);
	check_host(c);
	check_mta(c);
	if (c->postfix)
		check_postfix(c);
}
