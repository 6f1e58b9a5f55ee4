#include "sensor/group_read.h"

#include <errno.h>
#include <stdlib.h>

#include "base/readfile.h"
#include "core/smooth.h"
#include "sensor/procparse.h"

#define IO_REQUEST_BYTES 16384.0
/* A commit is two writes of the journal and two flushes (jbd2: blocks, then the commit block). */
#define FSYNC_BYTES (4 * IO_REQUEST_BYTES)
/* The kernel adds up all CPUs for memory.stat, which is expensive: it is read only if the cheap
 * total has changed by this much. */
#define STAT_MOVED 262144u
#define LEAK_MIN (8.0 * 1024 * 1024) /* growth over one look of the trend; less is ignored */

/* Turns a counter into a rate in `use`, smoothed over some seconds so that no group is named
 * because of one moment. */
static void put_rate(struct group_node *n, double delta, double dt_s)
{
	double rate = delta / dt_s;

	if (n->use < 0)
		n->use = rate;
	else
		smooth_step(&n->use, rate, dt_s, GROUP_TAU_S);
}

void group_read_cpu(struct group_node *n, bool v1, double dt_s)
{
	char content[1024];
	uint64_t now;

	if (n->fd[0] < 0 || readfile_fd(n->fd[0], content, sizeof(content)) <= 0 ||
	    procparse_cpu_used(content, v1, &now) < 0) {
		n->primed = false;
		n->use = -1;
		return;
	}
	if (n->primed && dt_s > 0 && now >= n->counter[0])
		put_rate(n, (double)(now - n->counter[0]) / 1e6, dt_s);
	n->counter[0] = now;
	n->primed = true;
}

static bool read_io_counters(const struct group_node *n, bool v1, struct procparse_io *ret)
{
	char content[4096];
	int r = n->fd[0] < 0 ? -ENOENT : readfile_fd(n->fd[0], content, sizeof(content));

	if (r < 0 && r != -EFBIG)
		return false;
	if (!v1)
		return procparse_io_stat(content, ret) == 0;
	procparse_blkio(content, &ret->bytes);
	r = n->fd[1] < 0 ? -ENOENT : readfile_fd(n->fd[1], content, sizeof(content));
	return (r >= 0 || r == -EFBIG) && procparse_blkio(content, &ret->ios) == 0;
}

void group_read_io(struct group_node *n, bool v1, double dt_s)
{
	struct procparse_io io = { 0 };

	if (!read_io_counters(n, v1, &io)) {
		n->primed = false;
		n->use = -1;
		return;
	}
	if (n->primed && dt_s > 0 && io.bytes >= n->counter[0] && io.ios >= n->counter[1])
		put_rate(n,
			 (double)(io.bytes - n->counter[0]) +
				 IO_REQUEST_BYTES * (double)(io.ios - n->counter[1]) +
				 FSYNC_BYTES * (double)n->fsyncs,
			 dt_s);
	n->counter[0] = io.bytes;
	n->counter[1] = io.ios;
	n->primed = true;
}

static uint64_t field(const char *content, const char *name)
{
	uint64_t value = 0;

	readfile_field_u64(content, name, &value);
	return value;
}

/* Memory that cannot be dropped: all but the page cache. */
void group_read_memory(struct group_node *n, bool v1, uint64_t now_us)
{
	char content[8192], number[32];
	uint64_t current;
	int r;

	if (n->fd[0] < 0 || readfile_fd(n->fd[0], number, sizeof(number)) <= 0) {
		n->use = -1;
		return;
	}
	current = strtoull(number, NULL, 10);
	if (!n->primed || current > n->stat_current + STAT_MOVED ||
	    current + STAT_MOVED < n->stat_current) {
		r = n->fd[1] < 0 ? -ENOENT : readfile_fd(n->fd[1], content, sizeof(content));
		if (r < 0 && r != -EFBIG) {
			n->use = -1;
			return;
		}
		n->stat_bytes =
			v1 ? (double)(field(content, "total_rss") + field(content, "total_shmem"))
			   : (double)(field(content, "anon") + field(content, "shmem") +
				      field(content, "slab_unreclaimable"));
		n->stat_current = current;
		n->primed = true;
	}
	n->use = n->stat_bytes;
	/* The trend detects falling values, so it gets the negative. */
	if (n->trend)
		trend_put(n->trend, now_us, -n->use, LEAK_MIN);
}
