/* A mapped file that is cut short under its reader kills it: SIGBUS. Who stands in the way of mail
 * must not die of that. A guarded mapping that is torn so turns into zeros, or, with a jump, ends
 * what was reading it. For one thread: the one that reads. */
#ifndef PENSTOCK_BASE_MAPGUARD_H
#define PENSTOCK_BASE_MAPGUARD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

/* `jump` NULL: all of the mapping becomes zeros, writable, of this process alone. Else
 * siglongjmp(*jump, 1), which must have been set, with sigsetjmp(*jump, 0), before each reading.
 * Without room for one more it is not guarded: as it was before. */
void mapguard_add(void *at, size_t size, sigjmp_buf *jump);
/* Before munmap(). NULL: nothing to do. */
void mapguard_remove(const void *at);
/* Whether the mapping that begins at `at` was torn. */
bool mapguard_is_torn(const void *at);

#endif
