/* When a mapped file is truncated, reading the mapping kills the process by SIGBUS. A process
 * that mail passes through must survive that. A guarded mapping that was truncated turns into
 * zeros, or, with a jump, ends the code that was reading it. For one thread: the one that reads. */
#ifndef PENSTOCK_BASE_MAPGUARD_H
#define PENSTOCK_BASE_MAPGUARD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

/* `jump` NULL: all of the mapping becomes zeros, writable, of this process alone. Else
 * siglongjmp(*jump, 1), which must have been set, with sigsetjmp(*jump, 0), before each reading. If
 * the table is full, the mapping is not guarded. */
void mapguard_add(void *at, size_t size, sigjmp_buf *jump);
/* Before munmap(). NULL: nothing to do. */
void mapguard_remove(const void *at);
/* Whether the file of the mapping that begins at `at` was truncated. */
bool mapguard_is_torn(const void *at);

#endif
