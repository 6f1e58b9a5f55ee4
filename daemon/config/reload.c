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
	if (r < 0)
		log_error("Cannot reload the configuration: %s. The one in force stays.", why);
	return r;
}
