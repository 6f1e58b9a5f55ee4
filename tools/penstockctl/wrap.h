/* Keeps what goes to a terminal within its width: long lines are broken between words, and what
 * follows is indented a little further than the line itself. */
#ifndef PENSTOCKCTL_WRAP_H
#define PENSTOCKCTL_WRAP_H

#include <stdio.h>

/* A stream that breaks lines at `width` columns (20 at least) and writes them to descriptor `fd`
 * when they end or when it is flushed; NULL: out of memory. */
FILE *wrap_open(int fd, unsigned width);
/* Puts it in the place of stdout and stderr where these are terminals. */
void wrap_terminals(void);

#endif
