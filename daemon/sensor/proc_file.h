/* A file of /proc that is read again and again from its beginning. The kernel answers for its own
 * files at once, so they are read in the tick. In a container of LXC a program (lxcfs, by FUSE)
 * answers in the kernel's place. If that program hangs, every process that opens or reads such a
 * file hangs, too. So one thread opens and reads all of these files, and the tick takes what the
 * thread read last. */
#ifndef PENSTOCK_SENSOR_PROC_FILE_H
#define PENSTOCK_SENSOR_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sensor_env; /* sensor/sensor.h */

#define PROC_FILES_MAX 8 /* different files that a program serves */

/* The thread for files that a program serves. It starts with the first such file, and must be
 * closed after all files. */
struct proc_reader;
/* `proc_fd` stays the caller's. 0 or -ENOMEM. */
int proc_reader_open(int proc_fd, struct proc_reader **ret_reader);
/* Called in the tick: without pressure, files are read less often. Never blocks. NULL is fine. */
void proc_reader_set_idle(struct proc_reader *reader, bool idle);
/* Call it when all files are closed. If a program hangs, the thread is left behind, which is
 * logged; it frees what it uses when the program goes on. NULL is fine. */
void proc_reader_close(struct proc_reader *reader);

struct proc_file;
/* `path`: below /proc ("pressure/cpu"), a text that stays valid. `size`: of the buffer for its
 * content. 0, or -errno with a sentence in `why` (SENSOR_WHY_MAX). Never waits for a program. */
int proc_file_open(const struct sensor_env *env, const char *path, size_t size,
		   struct proc_file **ret_file, char *why);
/* NULL is fine. */
void proc_file_close(struct proc_file *file);
/* Whether a program serves the file (base/fuse.h). */
bool proc_file_is_served(const struct proc_file *file);
/* Its content, terminated, as readfile_once(): all of what the kernel writes in one piece, or the
 * beginning. `ret_read_us`: when it was read, which is `now_us` unless a program serves the file.
 * Returns the length, or -errno. -EAGAIN: the thread has not read it yet. -ETIMEDOUT with a
 * sentence in `why`: the last content is older than two seconds. */
int proc_file_read(struct proc_file *file, uint64_t now_us, char *buf, size_t size,
		   uint64_t *ret_read_us, char *why);
/* The same for a file that the kernel writes in several pieces, like readfile_fd(); -EFBIG: `buf`
 * holds the beginning. */
int proc_file_read_whole(struct proc_file *file, uint64_t now_us, char *buf, size_t size,
			 uint64_t *ret_read_us, char *why);

#endif
