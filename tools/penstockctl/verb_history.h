/* penstockctl history: what happened, from the file in the state directory. So it also works when
 * penstockd does not run. */
#ifndef PENSTOCK_TOOLS_VERB_HISTORY_H
#define PENSTOCK_TOOLS_VERB_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

/* The time from now until a clock time (its next occurrence) or a date. 0; -EINVAL, also for "2h";
 * or -ERANGE: it is over. */
int history_parse_until(const char *text, uint64_t now_s, uint64_t *ret_for_s);
/* `since` NULL: the last day; `until` NULL: until now. Returns the exit code. */
int show_history(const char *state_dir, const char *since, const char *until, bool json);

#endif
