/* Takes the run directory and the state directory at the start. */
#ifndef PENSTOCK_STORE_DIRS_H
#define PENSTOCK_STORE_DIRS_H

/* Creates the run directory if it is missing and locks it, so that only one daemon uses it. A
 * process that a killed daemon left behind may hold the lock for a moment: the call waits for it,
 * some seconds at most. Returns the lock's descriptor, or -errno with a sentence in `why` (256);
 * -EBUSY: another daemon has the lock. */
int dirs_take_run(const char *path, char *why);
/* Creates the state directory if it is missing. Warns if it is not writable: then the next start
 * begins without what was learned. Mail is not affected. */
void dirs_check_state(const char *path);

#endif
