#include <stdlib.h>

#include "front/spop_codec.h"

/* Frame after frame of one connection, as front/haproxy.c takes them; what it would answer fits. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t answer[SPOP_ANSWER_MAX];
	struct spop_request q;
	size_t taken;

	while (size) {
		int r = spop_parse(data, size, &q, &taken);

		if (r < 0)
			spop_put_disconnect(answer, (enum spop_status) - r);
		if (r <= 0)
			return 0;
		if (taken < 4 || taken > size || taken > SPOP_FRAME_MAX + 4)
			abort();
		if (q.kind == SPOP_HELLO &&
		    (q.frame_max < SPOP_FRAME_MIN || q.frame_max > SPOP_FRAME_MAX))
			abort();
		spop_put_ack(answer, q.stream, q.frame, "451 4.3.2 mx.example.org overloaded");
		data += taken;
		size -= taken;
	}
	return 0;
}
