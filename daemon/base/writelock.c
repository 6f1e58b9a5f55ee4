#include "base/writelock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int writelock_take(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

bool writelock_is_held(int fd)
{
	/* Only a writer's lock conflicts with a reader's. */
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
