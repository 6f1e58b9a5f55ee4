/* penstockctl history: what happened, from the file in the state directory, so that it works when
 * penstockd does not run. */
#ifndef PENSTOCK_TOOLS_VERB_HISTORY_H
#define PENSTOCK_TOOLS_VERB_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

/* How long it is until such a time: of a clock time until the next, of a date until then. 0,
 * -EINVAL, or -ERANGE: it is over. "2h" is none. */
int history_parse_until(const char *text, uint64_t now_s, uint64_t *ret_for_s);
/* `since` NULL: the last day; `until` NULL: until now. Returns the exit code. */
int show_history(const char *state_dir, const char *since, const char *until, bool json);

#endif
