#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/trace.h"

int trace_map(const char *path, struct trace_reader *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	void *bytes;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return -ENODATA;
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	*ret = (struct trace_reader){ .bytes = bytes, .size = (size_t)st.st_size };
	return 0;
}

void trace_unmap(struct trace_reader *reader)
{
	munmap((void *)(uintptr_t)reader->bytes, reader->size);
	*reader = (struct trace_reader){ 0 };
}
