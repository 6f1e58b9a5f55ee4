#include "proxy/planview.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mapguard.h"

#define CHECK_US 500000u

void planview_init(struct planview *view, const char *run_dir)
{
	memset(view, 0, sizeof(*view));
	snprintf(view->path, sizeof(view->path), "%s/plan", run_dir);
}

void planview_done(struct planview *view)
{
	mapguard_remove(view->shared);
	if (view->shared)
		munmap((void *)view->shared, sizeof(struct plan));
	view->shared = NULL;
}

/* Maps the file again when it was replaced. */
static void check(struct planview *view)
{
	_cleanup_close_ int fd = open(view->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	void *map;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size < (off_t)sizeof(struct plan)) {
		planview_done(view);
		return;
	}
	if (view->shared && st.st_dev == view->device && st.st_ino == view->inode)
		return;
	planview_done(view);
	map = mmap(NULL, sizeof(struct plan), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	mapguard_add(map, sizeof(struct plan), NULL); /* zeros are not a valid plan */
	view->shared = map;
	view->device = st.st_dev;
	view->inode = st.st_ino;
}

const struct plan *planview_get(struct planview *view, uint64_t now_us)
{
	bool fresh;

	if (!view->checked_us || now_us - view->checked_us >= CHECK_US) {
		view->checked_us = now_us;
		check(view);
	}
	if (view->shared)
		plan_read(
			view->shared,
			&view->plan); /* no whole copy: the last one, which goes stale by itself */
	else
		memset(&view->plan, 0, sizeof(view->plan));
	fresh = plan_is_fresh(&view->plan, now_us);
	if (!fresh && (view->fresh || !view->told))
		log_warning(
			"There is no current plan in %s. Every connection is admitted until penstockd runs again.",
			view->path);
	else if (fresh && !view->fresh)
		log_notice("following the plan in %s", view->path);
	view->told = true;
	view->fresh = fresh;
	return &view->plan;
}
