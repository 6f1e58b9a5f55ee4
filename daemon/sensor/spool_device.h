/* Finds the block devices on which a queue directory lies: through partitions, LVM and device
 * mapper, md, loop, overlay, btrfs (several devices, anonymous st_dev) and NVMe multipath, down to
 * devices that have none below them. It reads only mountinfo and sysfs, so that a test can pass
 * copies of them. Sources: Documentation/ABI/testing/sysfs-block and -fs-btrfs, and overlayfs'
 * upperdir= in mountinfo. */
#ifndef PENSTOCK_SENSOR_SPOOL_DEVICE_H
#define PENSTOCK_SENSOR_SPOOL_DEVICE_H

#include <stdbool.h>
#include <sys/types.h>

#define SPOOL_DEVICES 32
#define SPOOL_WHY_MAX 160

struct spool_device {
	unsigned count; /* 0: none is known, see `why` */
	struct {
		char name[32]; /* as in /proc/diskstats: "sda", "nvme0n1", "nvme0c1n1" */
		/* dev_t of the *whole disk*, as block requests carry it; 0: a hidden path of NVMe
		 * multipath, known by name only */
		dev_t device;
	} device[SPOOL_DEVICES];
	char chain[192]; /* for people: "ext4 on dm-1 on md0 on sda3, sdb3" */
	char why[SPOOL_WHY_MAX]; /* why count is 0: tmpfs, NFS, ZFS, ... */
};

/* `path`: absolute and without links. `mountinfo`: the whole text. `sys_fd`: the /sys directory. 0,
 * or -ENODEV with `why`: the file system lies on no visible block device. */
int spool_device_resolve(const char *mountinfo, int sys_fd, const char *path,
			 struct spool_device *ret);
/* The same for the running system: follows links of `path`, reads proc_fd/self/mountinfo. May block
 * on a dead network file system: not for the tick. 0 or -errno with `why`. */
int spool_device_find(int proc_fd, int sys_fd, const char *path, struct spool_device *ret);
/* Adds to `sum` those devices of `other` that it does not have yet. */
void spool_device_add(struct spool_device *sum, const struct spool_device *other);
bool spool_device_has(const struct spool_device *spool, const char *name);

#endif
