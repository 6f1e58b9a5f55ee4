#include "sensor/link_speed.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/readfile.h"

double link_speed_bps(int ioctl_fd, int sys_fd, const char *name)
{
	struct {
		struct ethtool_link_settings head;
		uint32_t masks[3 * 127];
	} ask = { .head = { .cmd = ETHTOOL_GLINKSETTINGS } };
	struct ifreq request = { .ifr_data = (void *)&ask };
	char path[64], content[32];
	double mbit;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	/* Needs two calls: the first one returns the length of the masks, as a negative number. */
	if (ioctl_fd >= 0 && ioctl(ioctl_fd, SIOCETHTOOL, &request) == 0) {
		if (ask.head.link_mode_masks_nwords < 0) {
			ask.head.cmd = ETHTOOL_GLINKSETTINGS;
			ask.head.link_mode_masks_nwords = (int8_t)-ask.head.link_mode_masks_nwords;
			if (ioctl(ioctl_fd, SIOCETHTOOL, &request) < 0)
				ask.head.speed = 0;
		}
		if (ask.head.speed != 0 && ask.head.speed != (uint32_t)SPEED_UNKNOWN)
			return (double)ask.head.speed * 1e6;
		return 0;
	}
	snprintf(path, sizeof(path), "class/net/%s/speed", name);
	if (sys_fd < 0 || readfile_at(sys_fd, path, content, sizeof(content)) <= 0)
		return 0;
	mbit = strtod(content, NULL);
	return mbit > 0 ? mbit * 1e6 : 0; /* virtio reports -1 */
}
