#include <stdlib.h>
#include <string.h>

#include "front/auth_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char answer[AUTH_ANSWER_MAX], reply[513];
	struct auth_request r;
	size_t taken = 0;

	if (size == 0)
		return 0;
	if (auth_parse((const char *)data, size, &r, &taken) == 1 &&
	    (taken == 0 || taken > size || taken > AUTH_REQUEST_MAX + 1))
		abort();
	size = size < 512 ? size : 512;
	memcpy(reply, data, size);
	reply[size] = 0;
	if (auth_defer(answer, reply) >= sizeof(answer))
		abort();
	return 0;
}
