/* How near two names are: for "did you mean ...?". */
#ifndef PENSTOCK_BASE_TYPO_H
#define PENSTOCK_BASE_TYPO_H

#define TYPO_MAX 63 /* characters; a longer name is near to none */

/* The edit distance: letters that are changed, added, missing, or swapped with their neighbour.
 * 99 if a name is too long. */
unsigned typo_distance(const char *a, const char *b);

#endif
