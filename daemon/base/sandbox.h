/* What a process of penstock gives up before it reads bytes from outside: all capabilities, and all
 * system calls but those that it needs to answer on its descriptors. If such bytes take the process
 * over, it still can open no file and no socket, run no program and signal no process. See
 * seccomp(2). */
#ifndef PENSTOCK_BASE_SANDBOX_H
#define PENSTOCK_BASE_SANDBOX_H

/* Cannot be undone, and applies to the calling thread: call it while the process has one thread. A
 * system call that is not allowed fails with EPERM, and the process goes on. 0; -ENOSYS or another
 * -errno: only the system call filter is missing (this kernel or architecture has none), and the
 * capabilities are gone; -EPERM: the capabilities could not be given up, and the caller has to
 * end. */
int sandbox_enter(void);

#endif
