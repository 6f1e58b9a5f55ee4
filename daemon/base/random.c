#include "base/random.h"

#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

void random_fill(uint64_t *ret, unsigned count)
{
	if (getrandom(ret, count * sizeof(*ret), GRND_NONBLOCK) == (ssize_t)(count * sizeof(*ret)))
		return;
	for (unsigned i = 0; i < count; i++)
		ret[i] = (clock_realtime_us() ^ (uint64_t)getpid() << 40) * (GOLDEN + 2 * i);
}
