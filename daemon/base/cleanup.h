/* Scope-bound release of what a function opened. Declare with the attribute, initialise to the
 * empty value (-1, NULL); hand ownership on with TAKE_FD / TAKE_PTR. */
#ifndef PENSTOCK_BASE_CLEANUP_H
#define PENSTOCK_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free_ptr(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define _cleanup_close_ __attribute__((cleanup(cleanup_close_fd)))
#define _cleanup_free_ __attribute__((cleanup(cleanup_free_ptr)))
#define _cleanup_fclose_ __attribute__((cleanup(cleanup_close_file)))

#define TAKE_FD(fd) \
	({ \
		int taken_ = (fd); \
		(fd) = -1; \
		taken_; \
	})

#define TAKE_PTR(p) \
	({ \
		__typeof__(p) taken_ = (p); \
		(p) = NULL; \
		taken_; \
	})

#endif
