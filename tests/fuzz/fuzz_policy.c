#include <stdlib.h>

#include "front/policy_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy_request r;
	size_t taken = 0;

	if (policy_parse((const char *)data, size, &r, &taken) == 1 && (taken == 0 || taken > size))
		abort();
	return 0;
}
