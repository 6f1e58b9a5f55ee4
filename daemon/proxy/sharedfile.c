#include "proxy/sharedfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/counts_dir.h"
#include "base/random.h"

#define GENERATIONS_TRIED 1000u

int sharedfile_name(const char *run_dir, unsigned generation, const char *ending, char *ret_path)
{
	char directory[280], number[16] = "";
	int r = counts_dir_make(run_dir, directory, sizeof(directory));

	if (r < 0)
		return r;
	if (generation)
		snprintf(number, sizeof(number), "-%u", generation);
	snprintf(ret_path, 320, "%s/proxy-%d%s%s", directory, (int)getpid(), number, ending);
	return 0;
}

unsigned sharedfile_free(const char *run_dir, unsigned generation)
{
	const unsigned most = generation + GENERATIONS_TRIED;
	char path[320];

	while (generation < most && sharedfile_name(run_dir, generation, "", path) == 0 &&
	       faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		generation++;
	return generation;
}

int sharedfile_create(const char *path, size_t size, char *ret_fresh, int *ret_fd, void **ret_map)
{
	_cleanup_close_ int fd = -1;
	void *map = MAP_FAILED;
	uint64_t number = 0;
	int r;

	/* The process ID is no name of its own: processes in several PID namespaces may share the
	 * directory. */
	random_fill(&number, 1);
	snprintf(ret_fresh, SHAREDFILE_FRESH, "%s.%016" PRIx64 ".new", path, number);
	/* It may hold addresses of clients, so other users must not read it. */
	fd = open(ret_fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	/* Allocate all pages now: a file system that fills up later must not kill the writer. */
	r = -posix_fallocate(fd, 0, (off_t)size);
	if (r == 0)
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r == 0 && map == MAP_FAILED)
		r = -errno;
	if (r < 0) {
		unlink(ret_fresh);
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	*ret_map = map;
	return 0;
}

int sharedfile_publish(const char *fresh, const char *path)
{
	int r = renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_NOREPLACE) < 0 ? -errno : 0;

	if (r == -EINVAL || r == -ENOSYS) /* a file system that cannot do this in one step */
		r = rename(fresh, path) < 0 ? -errno : 0;
	if (r < 0)
		unlink(fresh);
	return r;
}
