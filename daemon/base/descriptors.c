#include "base/descriptors.h"

#include <sys/resource.h>

static uint32_t count_of(rlim_t limit)
{
	return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

uint32_t descriptors_max(void)
{
	struct rlimit limit = { 1024, 1024 };

	getrlimit(RLIMIT_NOFILE, &limit);
	return count_of(limit.rlim_cur);
}

uint32_t descriptors_raise(uint64_t wanted, bool past_hard)
{
	const struct rlimit past = { wanted, wanted };
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return descriptors_max();
	if (past_hard && wanted > limit.rlim_max && setrlimit(RLIMIT_NOFILE, &past) == 0)
		return wanted;
	limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return descriptors_max();
}
