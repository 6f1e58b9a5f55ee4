#include "config/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void config_log_warnings(const struct config_errors *errors)
{
	char line[640];

	for (unsigned i = 0; i < errors->warnings; i++) {
		config_error_print(&errors->warning[i], line, sizeof(line));
		log_warning("%s", line);
	}
}

static void swap_services(struct config_service *a, struct config_service *b)
{
	struct config_service kept = *a;

	*a = *b;
	*b = kept;
}

/* Counters, windows and plans are kept by the number of a service. So a service that was there
 * before keeps its number, as far as there are so many, wherever its section stands now. */
static void keep_numbers(const struct config *now, struct config *fresh)
{
	for (unsigned i = 0; i < now->services && i < fresh->services; i++) {
		int k = config_service_index(fresh, now->service[i].name);

		if (k >= 0)
			swap_services(&fresh->service[i], &fresh->service[k]);
	}
}

int config_reload(const struct config_source *source, const struct config *now, struct config *ret,
		  char *why)
{
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));
	int r;

	if (!errors)
		return -ENOMEM;
	r = config_load(source, ret, errors);
	config_log_warnings(errors);
	if (r == 0 && strcmp(ret->run_dir, now->run_dir) != 0) {
		snprintf(why, 256, "daemon.run_dir cannot change in a running daemon: restart it");
		r = -EINVAL;
	} else if (r < 0) {
		config_error_print(&errors->error[0], why, 256);
		for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
			char line[640];

			config_error_print(&errors->error[i], line, sizeof(line));
			log_error("%s", line);
		}
	}
	if (r == 0)
		keep_numbers(now, ret);
	else
		log_error("Cannot reload the configuration: %s. The one in force stays.", why);
	return r;
}
