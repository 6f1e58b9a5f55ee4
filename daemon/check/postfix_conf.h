/* Postfix's main.cf and master.cf, as far as penstockctl check asks (postconf(5), master(5)). A
 * pure parser of foreign bytes: it skips what it does not understand, and truncates what is too
 * long. */
#ifndef PENSTOCK_CHECK_POSTFIX_CONF_H
#define PENSTOCK_CHECK_POSTFIX_CONF_H

#include <stdbool.h>
#include <stddef.h>

#define POSTFIX_PARAMETERS 512
#define POSTFIX_SERVICES 96
#define POSTFIX_VALUE 1024

struct postfix_parameter {
	int service; /* index of the service whose -o it is; -1: of main.cf */
	char name[80], value[POSTFIX_VALUE];
};

struct postfix_service {
	char name[80]; /* "smtp", "25", "192.0.2.1:smtp" */
	char type[8]; /* inet, unix, ... */
	char command[40]; /* smtpd, postscreen, ... */
	char maxproc[12]; /* "-": default_process_limit; "0": no limit */
};

struct postfix_conf {
	unsigned parameters, services;
	struct postfix_parameter parameter[POSTFIX_PARAMETERS];
	struct postfix_service service[POSTFIX_SERVICES];
};

/* Each adds to `conf`, which begins as zeros. Later settings win over earlier ones. */
void postfix_parse_main(struct postfix_conf *conf, const char *text, size_t length);
void postfix_parse_master(struct postfix_conf *conf, const char *text, size_t length);
/* The value of a setting for a service (index, or -1: none), with `$name` in it replaced;
 * `otherwise` if it is not set. Writes it into `ret` (POSTFIX_VALUE) and returns that. */
const char *postfix_value(const struct postfix_conf *conf, int service, const char *name,
			  const char *otherwise, char *ret);
/* Whether the service sets it by -o. */
bool postfix_overrides(const struct postfix_conf *conf, int service, const char *name);

#endif
