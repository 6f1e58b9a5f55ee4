#include "sensor/mta_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/readfile.h"
#include "sensor/procparse.h"

static const char *const stall_files[MTA_STALLS] = { [MTA_STALL_CPU] = "cpu.pressure",
						     [MTA_STALL_IO] = "io.pressure",
						     [MTA_STALL_MEMORY] = "memory.pressure" };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void mta_files_clear(struct mta_files *g)
{
	memset(g, 0, sizeof(*g));
	g->cpu_fd = g->io_fd = g->ios_fd = -1;
	for (int i = 0; i < MTA_STALLS; i++)
		g->stall_fd[i] = -1;
	for (int i = 0; i < MTA_LIMITS; i++)
		g->memory[i] = (struct mta_memory_files){ -1, -1, -1, -1 };
}

void mta_files_close(struct mta_files *g)
{
	close_fd(&g->cpu_fd);
	close_fd(&g->io_fd);
	close_fd(&g->ios_fd);
	for (int i = 0; i < MTA_STALLS; i++)
		close_fd(&g->stall_fd[i]);
	for (int i = 0; i < MTA_LIMITS; i++) {
		close_fd(&g->memory[i].stat);
		close_fd(&g->memory[i].current);
		close_fd(&g->memory[i].limit);
		close_fd(&g->memory[i].high);
	}
	mta_files_clear(g);
}

static int open_in(int cgroup_fd, const char *directory, const char *file)
{
	char path[CONFIG_PATH_MAX + 64];

	if (!directory[0])
		return -1;
	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return openat(cgroup_fd, path, O_RDONLY | O_CLOEXEC);
}

void mta_files_open(int cgroup_fd, const struct mta_group *m, struct mta_files *g)
{
	const char *v1_bytes = "blkio.throttle.io_service_bytes_recursive",
		   *v1_ios = "blkio.throttle.io_serviced_recursive";

	g->cpu_fd = open_in(cgroup_fd, m->cpu, m->cpu_v1 ? "cpuacct.usage" : "cpu.stat");
	for (int i = 0; i < MTA_STALLS; i++)
		g->stall_fd[i] = open_in(cgroup_fd, m->unified, stall_files[i]);
	g->io_fd = open_in(cgroup_fd, m->io, m->io_v1 ? v1_bytes : "io.stat");
	if (m->io_v1)
		g->ios_fd = open_in(cgroup_fd, m->io, v1_ios);
	for (int i = 0; i < MTA_LIMITS && m->memory[i][0]; i++) {
		struct mta_memory_files *f = &g->memory[i];

		f->stat = open_in(cgroup_fd, m->memory[i], "memory.stat");
		f->current = open_in(cgroup_fd, m->memory[i],
				     m->memory_v1 ? "memory.usage_in_bytes" : "memory.current");
		f->limit = open_in(cgroup_fd, m->memory[i],
				   m->memory_v1 ? "memory.limit_in_bytes" : "memory.max");
		if (!m->memory_v1)
			f->high = open_in(cgroup_fd, m->memory[i], "memory.high");
	}
	log_info("the mail server's control group is %s",
		 mta_group_home(m) + (strncmp(mta_group_home(m), "./", 2) == 0));
}

/* Growth since the last reading; -1: this is the first one, or the counter went back. */
static double step(struct mta_counter *c, uint64_t now)
{
	double delta = c->primed && now >= c->last ? (double)(now - c->last) : -1;

	c->last = now;
	c->primed = true;
	return delta;
}

/* CPU time used since the last reading, us; -1: not known. */
static double read_cpu(struct mta_files *g, bool v1)
{
	char content[1024];
	uint64_t now;

	if (g->cpu_fd < 0 || readfile_once(g->cpu_fd, content, sizeof(content)) <= 0 ||
	    procparse_cpu_used(content, v1, &now) < 0) {
		g->cpu.primed = false;
		return -1;
	}
	return step(&g->cpu, now);
}

static double read_stall(struct mta_files *g, int i)
{
	char content[512];
	uint64_t now;

	if (g->stall_fd[i] < 0 || readfile_once(g->stall_fd[i], content, sizeof(content)) <= 0 ||
	    procparse_psi_some(content, &now) < 0) {
		g->stall[i].primed = false;
		return -1;
	}
	return step(&g->stall[i], now);
}

static int read_io(const struct mta_files *g, bool v1, struct procparse_io *ret)
{
	char content[4096];
	int r;

	r = g->io_fd < 0 ? -ENOENT : readfile_once(g->io_fd, content, sizeof(content));
	if (r < 0 && r != -EFBIG)
		return r;
	if (!v1)
		return procparse_io_stat(content, ret);
	procparse_blkio(content, &ret->bytes);
	r = g->ios_fd < 0 ? -ENOENT : readfile_once(g->ios_fd, content, sizeof(content));
	if (r < 0 && r != -EFBIG)
		return r;
	return procparse_blkio(content, &ret->ios);
}

/* Memory that is not page cache: what the kernel cannot drop to make room. */
static int read_memory(const struct mta_memory_files *f, bool v1, double *ret_used,
		       double *ret_limit)
{
	char content[8192], number[64];
	uint64_t current, limit = UINT64_MAX, high, inactive = 0, active = 0;
	int r;

	r = readfile_once(f->current, number, sizeof(number));
	if (r <= 0)
		return -EIO;
	current = strtoull(number, NULL, 10);
	r = readfile_once(f->stat, content, sizeof(content));
	if (r <= 0 && r != -EFBIG)
		return -EIO;
	readfile_field_u64(content, v1 ? "total_inactive_file" : "inactive_file", &inactive);
	readfile_field_u64(content, v1 ? "total_active_file" : "active_file", &active);
	if (f->limit >= 0 && readfile_once(f->limit, number, sizeof(number)) > 0 &&
	    number[0] != 'm')
		limit = strtoull(number, NULL, 10);
	/* Above memory.high the kernel slows every allocation down, so it is a limit as well. */
	if (f->high >= 0 && readfile_once(f->high, number, sizeof(number)) > 0 &&
	    number[0] != 'm') {
		high = strtoull(number, NULL, 10);
		limit = high < limit ? high : limit;
	}
	*ret_used = current > inactive + active ? (double)(current - inactive - active) : 0;
	*ret_limit = limit < UINT64_C(1) << 60 ? (double)limit : -1;
	return 0;
}

static void add(double *sum, double value)
{
	if (value >= 0)
		*sum = (*sum < 0 ? 0 : *sum) + value;
}

static void read_limits(const struct mta_files *g, bool v1, struct mta_sums *sum)
{
	double used, limit;

	for (int i = 0; i < MTA_LIMITS && g->memory[i].stat >= 0; i++) {
		if (read_memory(&g->memory[i], v1, &used, &limit) < 0)
			continue;
		if (i == 0)
			add(&sum->memory, used);
		if (limit <= 0)
			continue;
		if (sum->limit < 0 || limit < sum->limit)
			sum->limit = limit;
		if (sum->room < 0 || limit - used < sum->room)
			sum->room = limit > used ? limit - used : 0;
		if (used / limit > sum->worst)
			sum->worst = used / limit;
	}
}

void mta_files_read(struct mta_files *g, const struct mta_group *m, struct mta_sums *sum)
{
	struct procparse_io io;

	add(&sum->cpu_us, read_cpu(g, m->cpu_v1));
	for (int i = 0; i < MTA_STALLS; i++) {
		double stall = read_stall(g, i);

		sum->stall_us[i] = stall > sum->stall_us[i] ? stall : sum->stall_us[i];
	}
	if (read_io(g, m->io_v1, &io) == 0) {
		add(&sum->io_bytes, step(&g->io_bytes, io.bytes));
		add(&sum->ios, step(&g->ios, io.ios));
	}
	read_limits(g, m->memory_v1, sum);
}
