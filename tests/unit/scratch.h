/* A directory for the files of one test, that goes away with all that is in it. */
#ifndef PENSTOCK_TESTS_SCRATCH_H
#define PENSTOCK_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `path`: of 64 bytes. Returns 0, or -1 where none can be made. */
static inline int scratch_make(char *path)
{
	strcpy(path, "/tmp/penstock-test-XXXXXX");
	return mkdtemp(path) ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
				     struct FTW *ftw)
{
	return remove(path);
}

/* Returns 0, or -1 where something of it stays. Links are not followed. */
static inline int scratch_remove(const char *path)
{
	return nftw(path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
