#include <stdlib.h>
#include <string.h>

#include "front/milter_codec.h"

/* Frame after frame of one connection, as front/milter.c takes them; whatever is answered fits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct milter_reader reader = { 0 };
	struct milter_message m;
	uint8_t answer[MILTER_ANSWER_MAX];
	char text[600] = { 0 };
	size_t at = 0, taken = 0;

	while (milter_parse(&reader, data + at, size - at, &m, &taken) == 1) {
		if (taken == 0 || taken > size - at || reader.rest > MILTER_SKIPPED_MAX)
			abort();
		if (m.kind == MILTER_CONNECT && taken > MILTER_INPUT_MAX)
			abort();
		if (m.kind == MILTER_OPTIONS)
			milter_put_options(answer, m.version, m.steps);
		at += taken;
	}
	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	if (milter_put_reply(answer, text) > sizeof(answer))
		abort();
	return 0;
}
