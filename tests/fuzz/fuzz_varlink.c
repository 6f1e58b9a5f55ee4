#include <stdint.h>
#include <stdlib.h>

#include "publish/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct varlink_call call;
	size_t n = 0;

	if (varlink_frame((const char *)data, size, VARLINK_MESSAGE_MAX, &n) == 1 && n >= size)
		abort();
	if (varlink_parse_call((const char *)data, size, &call) == 0)
		varlink_call_done(&call);
	return 0;
}
