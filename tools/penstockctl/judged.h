/* Which configuration penstockctl check, support and history judge by. */
#ifndef PENSTOCKCTL_JUDGED_H
#define PENSTOCKCTL_JUDGED_H

#include <jansson.h>

#include "config/config.h"
#include "penstockctl/ask.h"

#define JUDGED_OVERRIDES 64u

struct judged {
	struct config config;
	struct config_errors errors; /* when it cannot be read */
	const char *file; /* NULL: the default files */
	char words[400]; /* which one it is, a sentence; empty: as the user expects */
	const json_t
		*status; /* of the running penstockd; NULL: it was not asked or did not answer */
	json_t *message; /* holds status and file */
	const char *overrides[JUDGED_OVERRIDES];
};

/* Reads what -c and -o name. Without them it is the configuration of the penstockd that answers on
 * the control socket, else the default files. With --root, penstockd is not asked. 0, or -errno
 * with `errors`; judged_free() in any case. NULL: out of memory. */
int judged_read(const struct options *options, struct judged **ret);
void judged_free(struct judged *judged);

#endif
