#include "base/privilege.h"

#include <grp.h>
#include <linux/capability.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void privilege_drop(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[2] = { { 0 } };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	syscall(SYS_capset, &header, none);
}

void privilege_share_with_proxy(int fd, mode_t mode)
{
	char buffer[4096];
	struct group entry, *found = NULL;

	if (getgrnam_r(PROXY_GROUP, &entry, buffer, sizeof(buffer), &found) == 0 && found &&
	    fchown(fd, (uid_t)-1, found->gr_gid) < 0)
		found = NULL; /* not a member: in other installations both run as one user */
	fchmod(fd, mode);
}
