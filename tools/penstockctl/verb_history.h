/* penstockctl history: what happened, out of the file in the state directory, so that it answers
 * when penstockd does not run. */
#ifndef PENSTOCK_TOOLS_VERB_HISTORY_H
#define PENSTOCK_TOOLS_VERB_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

/* A time as people write it: "03:00", "03:00:30" (the last time that it was so), "2026-01-31
 * 03:00", "2026-01-31T03:00:00Z" (UTC), or so long ago: "2h". 0 or -EINVAL. `now_s`:
 * CLOCK_REALTIME. */
int history_parse_time(const char *text, uint64_t now_s, uint64_t *ret_at_s);
/* How long it is until such a time: of a clock time until the next, of a date until then. 0,
 * -EINVAL, or -ERANGE: it is over. "2h" is none. */
int history_parse_until(const char *text, uint64_t now_s, uint64_t *ret_for_s);
/* NULL: the last day; until now. Returns what to exit with. */
int show_history(const char *state_dir, const char *since, const char *until, bool json);

#endif
