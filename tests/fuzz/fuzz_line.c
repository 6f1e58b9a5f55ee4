#include <stdlib.h>
#include <string.h>

#include "front/line_codec.h"

/* Line after line of one connection, as front/line.c takes them; and whatever text is answered. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[100] = { 0 }, answer[120];
	struct line_request r;
	size_t at = 0, taken = 0;

	while (line_parse((const char *)data + at, size - at, &r, &taken) == 1) {
		if (taken == 0 || taken > size - at || taken > LINE_REQUEST_MAX)
			abort();
		at += taken;
	}
	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	taken = line_answer(answer, sizeof(answer), text, "mx");
	if (taken >= sizeof(answer) || (taken && answer[taken - 1] != '\n'))
		abort();
	return 0;
}
