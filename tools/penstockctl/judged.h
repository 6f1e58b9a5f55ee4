/* The configuration by which penstockctl check, support and history judge. */
#ifndef PENSTOCKCTL_JUDGED_H
#define PENSTOCKCTL_JUDGED_H

#include <jansson.h>

#include "config/config.h"
#include "penstockctl/ask.h"

#define JUDGED_OVERRIDES 64u

struct judged {
	struct config config;
	struct config_errors errors; /* why it cannot be read */
	const char *file; /* NULL: the default files */
	/* a sentence that says which one it is; empty: the one that the user expects */
	char words[400];
	const json_t
		*status; /* of the running penstockd; NULL: it was not asked or did not answer */
	json_t *message; /* holds status and file */
	const char *overrides[JUDGED_OVERRIDES];
};

/* Reads the files that -c and -o name. Without these options it reads the configuration of the
 * penstockd that answers on the control socket, else the default files. With --root, penstockd is
 * not asked. 0, or -errno with `errors`; call judged_free() in any case. NULL: out of memory. */
int judged_read(const struct options *options, struct judged **ret);
void judged_free(struct judged *judged);

#endif
