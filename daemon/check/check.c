#include "check/check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	check_listener(c);
	read_postfix(c);
	check_host(c);
	check_mta(c);
	check_server(c);
	if (c->postfix && c->server != CHECK_POSTFIX && c->server != CHECK_UNKNOWN &&
	    c->server != CHECK_OTHER)
		check_skip(c, "Postfix: /etc/postfix is there, but %s is what listens",
			   c->listener);
	else if (c->postfix)
		check_postfix(c);
}
