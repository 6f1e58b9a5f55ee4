/* The run and the state directory at start. */
#ifndef PENSTOCK_STORE_DIRS_H
#define PENSTOCK_STORE_DIRS_H

/* Makes the run directory if it is missing and locks it, so that only one daemon uses it. A
 * process that a killed daemon left behind may hold the lock for a moment: the call waits for
 * it, some seconds at most. Returns the lock's descriptor, or -errno with a sentence in `why`
 * (256): -EBUSY when another daemon has it. */
int dirs_take_run(const char *path, char *why);
/* Makes the state directory if it is missing, and warns when it is not writable: then the next
 * start begins without what was learned. Mail is not affected. */
void dirs_check_state(const char *path);

#endif
