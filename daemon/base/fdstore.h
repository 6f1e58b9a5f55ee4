/* Descriptors that outlive this process, kept by the service manager: FileDescriptorStoreMax= in
 * the unit, sd_notify(3) with FDSTORE=1. The descriptors survive a crash, the watchdog and
 * `systemctl restart`, but not `systemctl stop`. Each has a name of its own, since the order
 * within one name is not guaranteed, and FDPOLL=0: polling a BPF link or map gives EPOLLERR, and
 * the manager would drop it. No call waits for a manager that does not read for
 * longer than a tenth of a second. */
#ifndef PENSTOCK_BASE_FDSTORE_H
#define PENSTOCK_BASE_FDSTORE_H

/* Where there is no manager (base/manager.h) nothing is kept. When the unit does not allow it, the
 * manager keeps nothing and reports no error. */

/* Hands a copy of `fd` to the manager under `name` (letters, digits, '-', '_', '.'; at most 64).
 * The caller keeps its own. What is in the store already is not stored twice. 0, -ENOTCONN without
 * a manager, -EAGAIN: it does not read, or another -errno. */
int fdstore_push(const char *name, int fd);
/* Gives what the manager had under `name` when this process started, close-on-exec; the caller owns
 * it now, the manager keeps its copy until fdstore_remove(). Each descriptor is given once. The
 * descriptor or -ENOENT. */
int fdstore_take(const char *name);
/* The same for a listening socket that has to live on at its place (a socket unit's): a copy, as
 * often as asked for. A socket unit with several ListenStream= passes all of them under one name:
 * `index` counts them. */
int fdstore_copy(const char *name, unsigned index);
/* The manager forgets `name`. 0, -ENOTCONN without a manager, or another -errno. */
int fdstore_remove(const char *name);

#endif
