#include <stdlib.h>
#include <string.h>

#include "core/calendar.h"

/* What is accepted has windows in order, none longer than a day and the hour that clocks go
 * back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct zone utc;
	char *text = malloc(size + 1), why[160];
	struct calendar calendar;
	struct calendar_window w;
	int64_t now_s = 1800000000;

	memcpy(text, data, size);
	text[size] = 0;
	if (calendar_parse(text, &calendar, why) == 0)
		for (int i = 0; i < 4 && calendar_next(&calendar, &utc, now_s, &w) == 0; i++) {
			if (w.end_s <= now_s || w.end_s <= w.begin_s ||
			    w.end_s - w.begin_s > 86400 || strlen(calendar.zone) > 47 ||
			    strstr(calendar.zone, ".."))
				abort();
			now_s = w.end_s;
		}
	free(text);
	return 0;
}
