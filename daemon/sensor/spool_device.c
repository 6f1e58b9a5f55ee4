#include "sensor/spool_device.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/readfile.h"
#include "base/text.h"
#include "sensor/mountinfo.h"

#define DEPTH_MAX 12
#define MOUNTINFO_MAX (1u << 20)
#define NAME 32

struct walk {
	const char *mountinfo;
	int sys_fd;
	struct spool_device *out;
	struct text chain;
};

static int resolve_path(struct walk *w, const char *path, int depth);
static int resolve_block(struct walk *w, const char *name, int depth);

static void add_device(struct spool_device *out, const char *name, dev_t device)
{
	if (out->count == SPOOL_DEVICES || spool_device_has(out, name))
		return;
	snprintf(out->device[out->count].name, sizeof(out->device[0].name), "%s", name);
	out->device[out->count++].device = device;
}

/* "8:3" in class/block/NAME/dev. 0: there is none. */
static dev_t device_of(const struct walk *w, const char *name)
{
	char path[96], content[32];
	unsigned major, minor;

	snprintf(path, sizeof(path), "class/block/%s/dev", name);
	if (readfile_at(w->sys_fd, path, content, sizeof(content)) <= 0 ||
	    sscanf(content, "%u:%u", &major, &minor) != 2)
		return 0;
	return makedev(major, minor);
}

static bool is_there(const struct walk *w, const char *format, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), format, name);
	return faccessat(w->sys_fd, path, F_OK, 0) == 0;
}

/* The text of a link in sysfs. */
static bool link_of(const struct walk *w, const char *path, char *ret, size_t size)
{
	ssize_t n = readlinkat(w->sys_fd, path, ret, size - 1);

	if (n <= 0)
		return false;
	ret[n] = 0;
	return true;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The disk of a partition: the directory above it in the device tree. */
static bool disk_of_partition(const struct walk *w, const char *name, char *ret)
{
	char path[96], link[512], *slash;

	if (!is_there(w, "class/block/%s/partition", name))
		return false;
	snprintf(path, sizeof(path), "class/block/%s", name);
	if (!link_of(w, path, link, sizeof(link)) || !(slash = strrchr(link, '/')))
		return false;
	*slash = 0;
	snprintf(ret, NAME, "%.31s", last_part(link));
	return true;
}

static DIR *open_directory(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* Resolves all devices named in a directory of sysfs. Returns how many. */
static int resolve_all(struct walk *w, const char *directory, int depth)
{
	DIR *dir = open_directory(w->sys_fd, directory);
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= NAME)
			continue;
		text_append(&w->chain, "%s", n ? ", " : " on ");
		if (resolve_block(w, entry->d_name, depth + 1) == 0)
			n++;
	}
	closedir(dir);
	return n;
}

/* The head of NVMe multipath passes its requests to hidden disks, one for each path: nvme0n1 ->
 * nvme0c0n1, nvme0c1n1. */
static int resolve_multipath(struct walk *w, const char *name)
{
	unsigned subsystem, namespace, s, controller, n;
	char path[96], link[512];
	struct dirent *entry;
	int found = 0, end = 0;
	DIR *dir;

	if (sscanf(name, "nvme%un%u%n", &subsystem, &namespace, &end) != 2 || name[end])
		return 0;
	snprintf(path, sizeof(path), "class/block/%s", name);
	if (!link_of(w, path, link, sizeof(link)) || !strstr(link, "/nvme-subsystem/"))
		return 0;
	dir = open_directory(w->sys_fd, "block");
	while (dir && (entry = readdir(dir))) {
		end = 0;
		if (strlen(entry->d_name) >= NAME ||
		    sscanf(entry->d_name, "nvme%uc%un%u%n", &s, &controller, &n, &end) != 3 ||
		    entry->d_name[end] || s != subsystem || n != namespace)
			continue;
		add_device(w->out, entry->d_name, device_of(w, entry->d_name));
		text_append(&w->chain, "%s%s", found++ ? ", " : " over ", entry->d_name);
	}
	if (dir)
		closedir(dir);
	/* Newer kernels also count at the head: use whichever statistics change. */
	if (found)
		add_device(w->out, name, device_of(w, name));
	return found;
}

static int resolve_block(struct walk *w, const char *name, int depth)
{
	char path[128], disk[NAME], content[PATH_MAX];

	if (depth > DEPTH_MAX || strchr(name, '/') || !is_there(w, "class/block/%s", name))
		return -ENODEV;
	text_append(&w->chain, "%s", name);
	if (disk_of_partition(w, name, disk))
		name = disk;
	snprintf(path, sizeof(path), "class/block/%.31s/slaves", name);
	if (resolve_all(w, path, depth) > 0)
		return 0;
	snprintf(path, sizeof(path), "class/block/%.31s/loop/backing_file", name);
	if (readfile_at(w->sys_fd, path, content, sizeof(content)) > 0) {
		content[strcspn(content, "\n")] = 0;
		text_append(&w->chain, " on ");
		if (resolve_path(w, content, depth + 1) == 0)
			return 0;
	}
	if (resolve_multipath(w, name) > 0)
		return 0;
	add_device(w->out, name, device_of(w, name));
	return 0;
}

/* The name of a block device by its number. */
static bool name_of(const struct walk *w, unsigned major, unsigned minor, char *ret)
{
	char path[64], link[512];

	snprintf(path, sizeof(path), "dev/block/%u:%u", major, minor);
	if (!link_of(w, path, link, sizeof(link)))
		return false;
	snprintf(ret, NAME, "%.31s", last_part(link));
	return true;
}

/* The kernel's name of "/dev/sda2" or "/dev/mapper/vg-spool". */
static bool name_of_source(const struct walk *w, const char *source, char *ret)
{
	const char *name = last_part(source);
	char path[128], content[128];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (strncmp(source, "/dev/", 5) != 0)
		return false;
	if (strlen(name) < NAME && is_there(w, "class/block/%s/dev", name)) {
		snprintf(ret, NAME, "%s", name);
		return true;
	}
	dir = open_directory(w->sys_fd, "class/block");
	while (dir && !found && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "dm-", 3) != 0 || strlen(entry->d_name) >= NAME)
			continue;
		snprintf(path, sizeof(path), "class/block/%.31s/dm/name", entry->d_name);
		if (readfile_at(w->sys_fd, path, content, sizeof(content)) <= 0)
			continue;
		content[strcspn(content, "\n")] = 0;
		found = strcmp(content, name) == 0;
		if (found)
			snprintf(ret, NAME, "%.31s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* A btrfs has its devices side by side in fs/btrfs/UUID/devices. */
static int resolve_btrfs(struct walk *w, const char *source, int depth)
{
	char name[NAME], path[320];
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	if (!name_of_source(w, source, name))
		return -ENODEV;
	dir = open_directory(w->sys_fd, "fs/btrfs");
	while (dir && !n && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "fs/btrfs/%s/devices/%s", entry->d_name, name);
		if (faccessat(w->sys_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		snprintf(path, sizeof(path), "fs/btrfs/%s/devices", entry->d_name);
		n = resolve_all(w, path, depth);
	}
	if (dir)
		closedir(dir);
	if (n)
		return 0;
	text_append(&w->chain, " on ");
	return resolve_block(w, name, depth + 1);
}

static int resolve_mount(struct walk *w, const struct mountinfo *mount, int depth)
{
	char name[NAME], upper[MOUNTINFO_PATH_MAX];

	text_append(&w->chain, "%s", mount->type);
	if (mount->major != 0 && name_of(w, mount->major, mount->minor, name)) {
		text_append(&w->chain, " on ");
		return resolve_block(w, name, depth + 1);
	}
	if (strcmp(mount->type, "overlay") == 0 &&
	    mountinfo_option(mount, "upperdir", upper, sizeof(upper))) {
		text_append(&w->chain, " on ");
		return resolve_path(w, upper, depth + 1);
	}
	if (strcmp(mount->type, "btrfs") == 0)
		return resolve_btrfs(w, mount->source, depth);
	if (name_of_source(w, mount->source, name)) {
		text_append(&w->chain, " on ");
		return resolve_block(w, name, depth + 1);
	}
	return -ENODEV;
}

static int resolve_path(struct walk *w, const char *path, int depth)
{
	_cleanup_free_ struct mountinfo *mount = malloc(sizeof(*mount));

	if (!mount)
		return -ENOMEM;
	if (depth > DEPTH_MAX || mountinfo_of_path(w->mountinfo, path, mount) < 0)
		return -ENODEV;
	return resolve_mount(w, mount, depth);
}

int spool_device_resolve(const char *mountinfo, int sys_fd, const char *path,
			 struct spool_device *ret)
{
	struct walk w = { .mountinfo = mountinfo, .sys_fd = sys_fd, .out = ret };
	int r;

	memset(ret, 0, sizeof(*ret));
	w.chain = (struct text)TEXT_OF(ret->chain);
	r = resolve_path(&w, path, 0);
	if (r < 0 || ret->count == 0) {
		ret->count = 0;
		snprintf(ret->why, sizeof(ret->why),
			 "%.60s lies on no block device that can be seen (%.60s)", path,
			 ret->chain[0] ? ret->chain : "no such mount");
		return r < 0 ? r : -ENODEV;
	}
	return 0;
}

int spool_device_find(int proc_fd, int sys_fd, const char *path, struct spool_device *ret)
{
	_cleanup_free_ char *content = malloc(MOUNTINFO_MAX), *real = realpath(path, NULL);
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!content)
		return -ENOMEM;
	if (!real) {
		r = -errno;
		snprintf(ret->why, sizeof(ret->why), "%.80s: %s", path, strerror(-r));
		/* cppcheck-suppress memleak ; _cleanup_free_ frees it, which cppcheck cannot see */
		return r;
	}
	r = readfile_at(proc_fd, "self/mountinfo", content, MOUNTINFO_MAX);
	if (r < 0 && r != -EFBIG) {
		snprintf(ret->why, sizeof(ret->why), "mountinfo cannot be read: %s", strerror(-r));
		return r;
	}
	return spool_device_resolve(content, sys_fd, real, ret);
}

void spool_device_add(struct spool_device *sum, const struct spool_device *other)
{
	for (unsigned i = 0; i < other->count; i++)
		add_device(sum, other->device[i].name, other->device[i].device);
}

bool spool_device_has(const struct spool_device *spool, const char *name)
{
	for (unsigned i = 0; i < spool->count; i++)
		if (strcmp(spool->device[i].name, name) == 0)
			return true;
	return false;
}
