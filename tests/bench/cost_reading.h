/* What penstockd has used up to now, by the kernel's accounts, and what there was to do: bench_cost
 * compares two readings. */
#ifndef PENSTOCK_TESTS_COST_READING_H
#define PENSTOCK_TESTS_COST_READING_H

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define PROGRAMS 48

struct program {
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id;
	uint64_t ns, runs;
};

struct reading {
	uint64_t nothing_ns, nothing_runs; /* of the program that does nothing */
	uint64_t at_ns, main_ns, helpers_ns, switches, ios;
	unsigned programs;
	struct program program[PROGRAMS];
};

/* The number behind `key` in a file of /proc; 0: not there. */
static inline uint64_t number_in(const char *path, const char *key)
{
	char line[512];
	unsigned long long value = 0;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0) {
			sscanf(line + strlen(key), " %llu", &value);
			break;
		}
	if (f)
		fclose(f);
	return value;
}

static inline uint64_t ios_done(void)
{
	char line[512], name[64];
	unsigned long long reads, writes, sum = 0;
	FILE *f = fopen("/proc/diskstats", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u %*u %63s %llu %*u %*u %*u %llu", name, &reads, &writes) ==
			    3 &&
		    strncmp(name, "loop", 4) != 0 && strncmp(name, "ram", 3) != 0)
			sum += reads + writes;
	if (f)
		fclose(f);
	return sum;
}

static inline void read_threads(pid_t pid, struct reading *r)
{
	char path[320];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		unsigned long long ns = 0;
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			*(atoi(e->d_name) == pid ? &r->main_ns : &r->helpers_ns) += ns;
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

/* The programs that the daemon holds, from its descriptors. */
static inline void read_programs(pid_t pid, struct reading *r)
{
	char path[320];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)) && r->programs < PROGRAMS) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info), id;
		bool known = false;
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, e->d_name);
		id = (uint32_t)number_in(path, "prog_id:");
		for (unsigned i = 0; i < r->programs; i++)
			known |= r->program[i].id == id;
		if (!id || known || (fd = bpf_prog_get_fd_by_id(id)) < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
		    info.run_cnt + info.run_time_ns + 1) {
			struct program *p = &r->program[r->programs++];

			memcpy(p->name, info.name, sizeof(p->name));
			p->id = id;
			p->ns = info.run_time_ns;
			p->runs = info.run_cnt;
		}
		close(fd);
	}
	if (dir)
		closedir(dir);
}

/* "return 0" on the busiest tracepoint: its descriptors, or negative. */
static inline int open_nothing(int *ret_link)
{
	const struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K,
					   .dst_reg = BPF_REG_0 },
					 { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "nothing", "GPL", code, 2, NULL);

	*ret_link = fd < 0 ? -1 : bpf_raw_tracepoint_open("sched_switch", fd);
	return *ret_link < 0 ? -1 : fd;
}

/* ---- what calling a program costs, which its account does not have -------------------------- */

#define HOOKS 16
#define TRIES 15
#define ROUND_TRIPS 5000

/* The least time of a switch between two processes that hand each other a byte on one CPU. */
static inline double switch_ns(const int *there, const int *back)
{
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC);
	char c = 0;

	for (int i = 0; i < ROUND_TRIPS; i++)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			return 1e9;
	return (double)(clock_read_ns(CLOCK_MONOTONIC) - began) / (2.0 * ROUND_TRIPS);
}

/* With and without many programs that do nothing, in turns: ns a call. */
static inline double hook_ns(void)
{
	double without = 1e9, with = 1e9, once;
	int there[2], back[2], links[HOOKS], programs[HOOKS];
	cpu_set_t set, before;
	pid_t child;
	char c;

	if (pipe(there) < 0 || pipe(back) < 0 || sched_getaffinity(0, sizeof(before), &before) < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	for (int try = 0; try < TRIES; try++) {
		once = switch_ns(there, back);
		without = once < without ? once : without;
		for (int i = 0; i < HOOKS; i++)
			programs[i] = open_nothing(&links[i]);
		once = switch_ns(there, back);
		with = once < with ? once : with;
		for (int i = 0; i < HOOKS; i++) {
			close(links[i]);
			close(programs[i]);
		}
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	sched_setaffinity(0, sizeof(before), &before);
	return with > without ? (with - without) / HOOKS : 0;
}

static inline void take(pid_t pid, int nothing_fd, struct reading *r)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	memset(r, 0, sizeof(*r));
	if (nothing_fd >= 0 && bpf_obj_get_info_by_fd(nothing_fd, &info, &size) == 0) {
		r->nothing_ns = info.run_time_ns;
		r->nothing_runs = info.run_cnt;
	}
	r->at_ns = clock_read_ns(CLOCK_MONOTONIC);
	read_threads(pid, r);
	read_programs(pid, r);
	r->switches = number_in("/proc/stat", "ctxt");
	r->ios = ios_done();
}

#endif
