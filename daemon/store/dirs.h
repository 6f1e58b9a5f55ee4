/* The run and the state directory at start. */
#ifndef PENSTOCK_STORE_DIRS_H
#define PENSTOCK_STORE_DIRS_H

/* Makes the run directory where it is missing and locks it, so that it has one daemon. What is left
 * of one that was killed may hold the lock for a moment: it is waited for, some seconds at most.
 * Returns the lock's descriptor, or -errno with a sentence in `why` (256): -EBUSY when another
 * daemon has it. */
int dirs_take_run(const char *path, char *why);
/* Makes the state directory where it is missing, and warns when nothing can be written there: that
 * costs a warm start, never mail. */
void dirs_check_state(const char *path);

#endif
