#include <stdlib.h>

#include "proxy/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_addresses a, b;
	uint8_t out[PROXY_PROTOCOL_MAX];
	int r = proxy_protocol_decode(data, size, &a);

	if (r > 0 && (size_t)r > size)
		abort();
	if (r == 0 && size >= proxy_protocol_length(data, size) && size >= PROXY_PROTOCOL_MAX)
		abort(); /* it would be waited for for ever */
	for (int version = 1; r > 0 && a.known && version <= 2; version++) {
		size_t n = proxy_protocol_encode(version, &a, out);

		if (proxy_protocol_decode(out, n, &b) != (int)n)
			abort();
	}
	return 0;
}
