#include "publish/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/descriptors.h"

static double count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = -3; /* without ".", "..", and the descriptor of this directory */

	if (!directory)
		return -1;
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static void read_memory(struct process *p)
{
	unsigned long long pages, resident;
	FILE *file = fopen("/proc/self/statm", "re");
	double page = (double)sysconf(_SC_PAGESIZE);

	if (!file)
		return;
	if (fscanf(file, "%llu %llu", &pages, &resident) == 2) {
		p->virtual_bytes = (double)pages * page;
		p->resident_bytes = (double)resident * page;
	}
	fclose(file);
}

void process_read(uint64_t started_us, struct process *ret)
{
	struct rusage usage;

	*ret = (struct process){ .cpu_s = -1,
				 .resident_bytes = -1,
				 .virtual_bytes = -1,
				 .open_fds = count_fds(),
				 .max_fds = descriptors_max(),
				 .start_s = (double)started_us / 1e6 };
	read_memory(ret);
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		ret->cpu_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
			     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
