/* Descriptors that outlive this process, kept by the service manager: FileDescriptorStoreMax= in
 * the unit, sd_notify(3) with FDSTORE=1. The descriptors survive a crash, the watchdog and
 * `systemctl restart`, but not `systemctl stop`. Each has a name of its own, since the order within
 * one name is not guaranteed, and FDPOLL=0: polling a BPF link or map gives EPOLLERR, and the
 * manager would drop it. If the manager does not read, a call waits at most a tenth of a second for
 * it. */
#ifndef PENSTOCK_BASE_FDSTORE_H
#define PENSTOCK_BASE_FDSTORE_H

/* So often a program that stops tries again to have its descriptors kept: for up to a second. */
#define FDSTORE_LAST_TRIES 10

/* Without a manager (base/manager.h) nothing is kept. If the unit does not allow it, the manager
 * keeps nothing and reports no error. */

/* Hands a copy of `fd` to the manager under `name` (letters, digits, '-', '_', '.'; at most 64).
 * The caller keeps its own descriptor. A descriptor that is in the store already is not stored
 * twice. 0, -ENOTCONN without a manager, -EAGAIN: it does not read, or another -errno. */
int fdstore_push(const char *name, int fd);
/* Returns the descriptor that the manager had under `name` when this process started
 * (close-on-exec), or -ENOENT. The caller owns it; the manager keeps its copy until
 * fdstore_remove(). Each descriptor is returned once. */
int fdstore_take(const char *name);
/* The same for the listening socket of a socket unit, which must stay open under its number:
 * returns a copy, as often as asked. A socket unit with several ListenStream= passes all of them
 * under one name: `index` counts them. */
int fdstore_copy(const char *name, unsigned index);
/* Tells the manager to forget `name`. 0, -ENOTCONN without a manager, or another -errno. */
int fdstore_remove(const char *name);

#endif
