#include <stdlib.h>

#include "core/zone.h"

/* Whatever a file says: offsets are those of a day, and a local time comes back from its times. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct zone zone;
	int64_t utc[2];

	if (zone_parse(data, size, &zone) < 0)
		return 0;
	for (int64_t t = 1700000000; t < 1800000000; t += 9999991) {
		int32_t offset = zone_offset(&zone, t);
		unsigned n = zone_utc(&zone, t + offset, utc);

		if (offset < -26 * 3600 || offset > 26 * 3600)
			abort();
		for (unsigned i = 0; i < n; i++)
			if (utc[i] + zone_offset(&zone, utc[i]) != t + offset)
				abort();
	}
	return 0;
}
