#include "kernel/fsync_groups.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "shared.h"

struct fsync_groups {
	int fd;
	unsigned count;
	struct group_calls {
		uint64_t id, calls;
	} of[FSYNC_GROUPS]; /* sorted by id */
};

struct fsync_groups *fsync_groups_open(const struct kernel *kernel)
{
	int fd = kernel ? kernel_fsync_groups(kernel) : -ENODATA;
	struct fsync_groups *g;

	if (fd < 0)
		return NULL;
	g = calloc(1, sizeof(*g));
	if (g)
		g->fd = fd;
	else
		close(fd);
	return g;
}

static int by_id(const void *a, const void *b)
{
	const struct group_calls *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void fsync_groups_read(struct fsync_groups *g)
{
	uint64_t id[FSYNC_GROUPS], calls[FSYNC_GROUPS];
	uint32_t count = FSYNC_GROUPS, next;

	if (!g)
		return;
	g->count = 0;
	/* ENOENT: that was the whole map. */
	if (bpf_map_lookup_batch(g->fd, NULL, &next, id, calls, &count, NULL) < 0 &&
	    errno != ENOENT)
		return;
	for (; g->count < count; g->count++)
		g->of[g->count] = (struct group_calls){ id[g->count], calls[g->count] };
	qsort(g->of, g->count, sizeof(g->of[0]), by_id);
}

uint64_t fsync_groups_calls(const struct fsync_groups *g, uint64_t id)
{
	const struct group_calls key = { .id = id };
	const struct group_calls *found =
		g && id ? bsearch(&key, g->of, g->count, sizeof(g->of[0]), by_id) : NULL;

	return found ? found->calls : 0;
}

void fsync_groups_close(struct fsync_groups *g)
{
	if (!g)
		return;
	close(g->fd);
	free(g);
}
