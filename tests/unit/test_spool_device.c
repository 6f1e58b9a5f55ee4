#include "cmocka_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/readfile.h"
#include "sensor/mountinfo.h"
#include "sensor/spool_device.h"

static char mounts[8192];

static int resolve(const char *tree, const char *path, struct spool_device *ret)
{
	char directory[128];
	int fd, r;

	snprintf(directory, sizeof(directory), "tests/fixtures/spool/%s", tree);
	fd = open(directory, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_true(readfile_at(fd, "mountinfo", mounts, sizeof(mounts)) > 0);
	r = openat(fd, "sys", O_RDONLY | O_DIRECTORY);
	close(fd);
	fd = r;
	assert_true(fd >= 0);
	r = spool_device_resolve(mounts, fd, path, ret);
	close(fd);
	return r;
}

static void is_device(const struct spool_device *d, unsigned i, const char *name, dev_t device)
{
	assert_true(i < d->count);
	assert_string_equal(d->device[i].name, name);
	assert_int_equal(d->device[i].device, device);
}

static void plain(void **state)
{
	struct spool_device d;

	assert_int_equal(resolve("plain", "/var/spool/postfix", &d), 0);
	assert_int_equal(d.count, 1);
	is_device(&d, 0, "vda", makedev(254, 0));
	assert_string_equal(d.chain, "ext4 on vda");
}

static void no_device(void **state)
{
	struct spool_device d;

	assert_int_equal(resolve("plain", "/run/spool", &d), -ENODEV);
	assert_int_equal(d.count, 0);
	assert_non_null(strstr(d.why, "tmpfs"));
	assert_int_equal(resolve("plain", "/srv/spool two/q", &d), -ENODEV);
	assert_non_null(strstr(d.why, "nfs4"));
	/* "/srv/spool two" is another directory than "/srv/spool twofold" */
	assert_int_equal(resolve("plain", "/srv/spool twofold", &d), 0);
	is_device(&d, 0, "vda", makedev(254, 0));
}

static void lvm_on_md(void **state)
{
	struct spool_device d;

	assert_int_equal(resolve("lvm-md", "/var/spool/postfix", &d), 0);
	assert_int_equal(d.count, 2);
	assert_true(spool_device_has(&d, "sda") && spool_device_has(&d, "sdb"));
	for (unsigned i = 0; i < 2; i++)
		assert_true(d.device[i].device == makedev(8, 0) ||
			    d.device[i].device == makedev(8, 16));
	assert_memory_equal(d.chain, "xfs on dm-1 on md0 on sd", 24);
}

static void btrfs(void **state)
{
	struct spool_device d;

	assert_int_equal(resolve("btrfs", "/var/spool/exim4", &d), 0);
	assert_int_equal(d.count, 2);
	assert_true(spool_device_has(&d, "vdb") && spool_device_has(&d, "vdc"));
}

static void multipath(void **state)
{
	struct spool_device d;

	assert_int_equal(resolve("nvme-multipath", "/var/spool", &d), 0);
	assert_int_equal(d.count, 3);
	assert_true(spool_device_has(&d, "nvme0c0n1") && spool_device_has(&d, "nvme0c1n1") &&
		    spool_device_has(&d, "nvme0n1"));
	assert_int_equal(resolve("nvme-multipath", "/srv/spool", &d), 0);
	assert_int_equal(d.count, 1);
	is_device(&d, 0, "nvme1n1", makedev(259, 9));
}

static void overlay_on_loop(void **state)
{
	struct spool_device d;

	assert_int_equal(resolve("loop-overlay", "/var/lib/docker/overlay2/x/merged/var/spool", &d),
			 0);
	assert_int_equal(d.count, 1);
	is_device(&d, 0, "vda", makedev(254, 0));
	assert_string_equal(d.chain, "overlay on ext4 on loop0 on ext4 on vda");
	assert_int_equal(resolve("loop-overlay", "/ro/spool", &d), -ENODEV);
}

static void adding(void **state)
{
	struct spool_device a, b;

	assert_int_equal(resolve("lvm-md", "/var/spool", &a), 0);
	assert_int_equal(resolve("plain", "/", &b), 0);
	spool_device_add(&a, &b);
	spool_device_add(&a, &b);
	assert_int_equal(a.count, 3);
}

static void lines(void **state)
{
	const char *text = "garbage\n1 2 8:1 / relative rw - ext4 /dev/sda1 rw\n"
			   "5 1 8:1 / /a\\011b rw a:1 b:2 - ext4 /dev/sda1 rw,x=1\n"
			   "6 1 8:1 / /cut rw";
	struct mountinfo m;
	char value[8];

	assert_int_equal(mountinfo_next(&text, &m), 1);
	assert_string_equal(m.point, "/a\tb");
	assert_string_equal(m.type, "ext4");
	assert_string_equal(m.source, "/dev/sda1");
	assert_true(mountinfo_option(&m, "x", value, sizeof(value)));
	assert_string_equal(value, "1");
	assert_false(mountinfo_option(&m, "rw", value, sizeof(value)));
	assert_int_equal(mountinfo_next(&text, &m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),     cmocka_unit_test(no_device),
		cmocka_unit_test(lvm_on_md), cmocka_unit_test(btrfs),
		cmocka_unit_test(multipath), cmocka_unit_test(overlay_on_loop),
		cmocka_unit_test(adding),    cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests_name("spool_device", tests, NULL, NULL);
}
