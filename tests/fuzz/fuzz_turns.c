#include <stdlib.h>

#include "core/turns.h"

/* Any order of bytes and silences: the gauge of busy stays 0 or 1 and ends at 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct turns t;
	struct turns_change c;
	uint64_t now_us = 1000;
	int busy = 1;

	turns_begin(&t, now_us);
	for (size_t at = 0; at + 2 <= size;) {
		size_t length = data[at] % 40;
		unsigned what = data[at + 1] % 3;

		at += 2;
		if (length > size - at)
			length = size - at;
		now_us += 1000 * (1 + length);
		if (what == 0)
			c = turns_client(&t, now_us, (const char *)data + at, length);
		else if (what == 1)
			c = turns_server(&t, now_us, (const char *)data + at, length);
		else
			c = turns_tick(&t, now_us);
		at += length;
		busy += c.busy;
		if (busy < 0 || busy > 1)
			abort();
	}
	busy += turns_end(&t, now_us, true).busy;
	if (busy != 0)
		abort();
	return 0;
}
