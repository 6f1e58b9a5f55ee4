/* `penstockctl top`: the status on a whole screen, once a second, with keys. 80x24 shows all of it,
 * 60x15 most of it. It uses colours only if the terminal has them and NO_COLOR is not set, and
 * shows no state by colour alone. */
#ifndef PENSTOCKCTL_TOP_H
#define PENSTOCKCTL_TOP_H

#include <jansson.h>

/* Where the status comes from: 0 with a new reference, or -errno. */
typedef int (*top_status)(void *context, json_t **ret_status);

/* Runs until q or Ctrl-C. 0, or -ENOTTY: this terminal cannot be drawn on. */
int top_run(top_status ask, void *context);

#endif
