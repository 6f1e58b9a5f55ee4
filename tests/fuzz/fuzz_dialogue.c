#include <stdlib.h>
#include <string.h>

#include "core/dialogue.h"

/* Fed in pieces of changing size; what comes out is lines that begin with 451, 421 or 221. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dialogue d;
	static char out[DIALOGUE_OUT + 1];
	static const struct reply_style style = { .hostname = "mx.example.org" };
	size_t n = dialogue_begin(&d, 451, &style, REASON_CPU, 0, out, sizeof(out));

	for (size_t at = 0, step = 1; at < size;
	     at += step, step = 1 + data[at < size ? at : 0] % 64) {
		size_t length = size - at < step ? size - at : step;

		n = dialogue_feed(&d, (const char *)data + at, length, out, sizeof(out));
		if (n > DIALOGUE_OUT)
			abort();
		out[n] = 0;
		for (const char *line = out; *line; line = strchr(line, '\n') + 1)
			if (strncmp(line, "451 ", 4) && strncmp(line, "421 ", 4) &&
			    strncmp(line, "221 ", 4))
				abort();
	}
	return 0;
}
