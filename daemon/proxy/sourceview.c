#include "proxy/sourceview.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mapguard.h"

void sourceview_init(struct sourceview *view, const char *run_dir)
{
	memset(view, 0, sizeof(*view));
	snprintf(view->path, sizeof(view->path), "%s/sources", run_dir);
}

void sourceview_done(struct sourceview *view)
{
	mapguard_remove(view->table);
	if (view->table)
		munmap((void *)(uintptr_t)view->table, view->size);
	view->table = NULL;
}

void sourceview_check(struct sourceview *view)
{
	_cleanup_close_ int fd = open(view->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	void *volatile map;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		sourceview_done(view);
		return;
	}
	if (view->table && st.st_dev == view->device && st.st_ino == view->inode)
		return;
	sourceview_done(view);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	mapguard_add(map, (size_t)st.st_size, &view->torn);
	if (sigsetjmp(view->torn, 0) == 0)
		view->table = source_check(map, (size_t)st.st_size);
	if (!view->table) {
		mapguard_remove(map);
		munmap(map, (size_t)st.st_size);
		return;
	}
	view->size = (size_t)st.st_size;
	view->device = st.st_dev;
	view->inode = st.st_ino;
}

bool sourceview_lookup(struct sourceview *view, const uint8_t *address, uint64_t now_us,
		       struct plan_source *ret)
{
	if (!view->table)
		return false;
	if (sigsetjmp(view->torn, 0) == 0) {
		source_lookup(view->table, address, now_us, ret);
		return true;
	}
	log_warning(
		"Another process has cut %s short. No source is ranked until penstockd makes a new one.",
		view->path);
	sourceview_done(view);
	return false;
}
