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

void planview_init(struct planview *view, const char *run_dir, const char *service)
{
	memset(view, 0, sizeof(*view));
	snprintf(view->service, sizeof(view->service), "%s", service);
	view->service_id = plan_service_id(service);
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

/* Finds the service by its name: the daemon may number services differently, since it may have read
 * another version of the configuration. */
static void take_own(struct planview *view, const struct plan *whole)
{
	struct plan *plan = &view->plan;
	unsigned i = 0;

	*plan = *whole;
	while (i < plan->services && i < PLAN_SERVICES && plan->service_id[i] != view->service_id)
		i++;
	if (i < plan->services && i < PLAN_SERVICES) {
		plan->service[PLANVIEW_OWN] = plan->service[i];
		plan->services = 1;
	} else {
		memset(plan->service, 0, sizeof(plan->service));
		plan->services = 0;
	}
}

/* Says when penstockd begins or ceases to know the service. */
static void tell_unknown(struct planview *view)
{
	bool unknown = view->fresh && view->plan.services == 0;

	if (unknown && !view->unknown)
		log_warning(
			"Cannot use the plan for service %s: the configuration of penstockd lacks it. No connection is refused for load here. Add [service.%s], then run penstockctl reload.",
			view->service, view->service);
	else if (!unknown && view->unknown && view->fresh)
		log_notice("following the plan of service %s again", view->service);
	if (view->fresh)
		view->unknown = unknown;
}

const struct plan *planview_get(struct planview *view, uint64_t now_us)
{
	struct plan whole;
	bool fresh;

	if (!view->checked_us || now_us - view->checked_us >= CHECK_US) {
		view->checked_us = now_us;
		check(view);
	}
	if (!view->shared)
		memset(&view->plan, 0, sizeof(view->plan));
	else if (plan_read(view->shared, &whole) == 0)
		take_own(view, &whole);
	/* else no whole copy was possible: the last one is kept, which goes stale by itself */
	fresh = plan_is_fresh(&view->plan, now_us);
	if (!fresh && (view->fresh || !view->told))
		log_warning(
			"There is no current plan in %s. Every connection is admitted until penstockd runs again.",
			view->path);
	else if (fresh && !view->fresh)
		log_notice("following the plan in %s", view->path);
	view->told = true;
	view->fresh = fresh;
	tell_unknown(view);
	return &view->plan;
}
