/* Protects against truncated files: reading a mapping of one kills the process by SIGBUS, and a
 * process that mail passes through must survive that. A guarded mapping that was truncated turns
 * into zeros, or, with a jump, ends the code that was reading it. Only one thread may read guarded
 * mappings. */
#ifndef PENSTOCK_BASE_MAPGUARD_H
#define PENSTOCK_BASE_MAPGUARD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

/* Guards a mapping. `jump` NULL: all of it becomes zeros, writable, and private to this process.
 * Else a fault calls siglongjmp(*jump, 1); set *jump with sigsetjmp(*jump, 0) before each reading.
 * If the table is full, the mapping is not guarded. */
void mapguard_add(void *at, size_t size, sigjmp_buf *jump);
/* Call it before munmap(). NULL is fine. */
void mapguard_remove(const void *at);
/* Whether the file of the mapping that begins at `at` was truncated. */
bool mapguard_is_torn(const void *at);

#endif
