/* What a process of penstock gives up before it reads foreign bytes: all capabilities, and all
 * system calls but those that it needs to answer on its descriptors. Even when such bytes take
 * it over, it can open no file and no socket, run no program and signal no process. See
 * seccomp(2). */
#ifndef PENSTOCK_BASE_SANDBOX_H
#define PENSTOCK_BASE_SANDBOX_H

/* Cannot be undone, and holds for the calling thread: call it while the process has one thread. A
 * call that is not allowed fails with EPERM; the process goes on. 0; -ENOSYS or another -errno when
 * only the filter of system calls is missing (this kernel or architecture has none: the
 * capabilities are gone); -EPERM when the capabilities could not be given up: then the caller
 * ends. */
int sandbox_enter(void);

#endif
