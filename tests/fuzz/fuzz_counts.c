#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/counts.h"

/* A front's counts file as the daemon reads it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct counts counts, before;
	static struct counts_service sum;
	double q;

	memset(&counts, 0, sizeof(counts));
	memcpy(&counts, data, size < sizeof(counts) ? size : sizeof(counts));
	if (size && data[size - 1] & 1) {
		counts.magic = COUNTS_MAGIC;
		counts.version = COUNTS_VERSION;
	}
	if (!counts_are_sane(&counts))
		return 0;
	if (strlen(counts.front) >= sizeof(counts.front))
		abort();
	for (int i = 0; i < PLAN_SERVICES; i++) {
		counts_add(&sum, &counts.service[i]);
		q = counts_quantile(counts.service[i].connect_220, before.service[i].connect_220,
				    0.99);
		if (!isfinite(q))
			abort();
	}
	before = counts;
	return 0;
}
