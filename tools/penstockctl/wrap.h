/* Keeps output to a terminal within its width: breaks long lines between words, and indents what
 * follows a little further than the line itself. */
#ifndef PENSTOCKCTL_WRAP_H
#define PENSTOCKCTL_WRAP_H

#include <stdio.h>

/* Replaces stdout and stderr if they are terminals. */
void wrap_terminals(void);

#endif
