/* The speed of one link as its driver reports it: from ethtool's link settings in this network
 * namespace, else from sysfs. */
#ifndef PENSTOCK_SENSOR_LINK_SPEED_H
#define PENSTOCK_SENSOR_LINK_SPEED_H

/* Bits a second; 0: not known. `ioctl_fd`: any socket of the namespace, or -1; `sys_fd`: /sys, or
 * -1. */
double link_speed_bps(int ioctl_fd, int sys_fd, const char *name);

#endif
