/* Keeps what goes to a terminal within its width: long lines are broken between words, and what
 * follows is indented a little further than the line itself. */
#ifndef PENSTOCKCTL_WRAP_H
#define PENSTOCKCTL_WRAP_H

#include <stdio.h>

/* Replaces stdout and stderr if they are terminals. */
void wrap_terminals(void);

#endif
