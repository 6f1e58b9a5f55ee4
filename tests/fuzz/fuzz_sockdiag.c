#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sockdiag.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t ports[] = { 25, 2525, 0 };
	static const uint64_t groups[] = { 1, 4242 };
	struct sockdiag_listener found[3];
	struct sockdiag_session sessions[3];
	struct sockdiag_message message;
	unsigned count = 0;
	void *bytes;

	if (size < sizeof(message.sequence))
		return 0;
	memcpy(&message.sequence, data, sizeof(message.sequence));
	size -= sizeof(message.sequence);
	/* Aligned like the buffer of a socket, and not a byte longer. */
	bytes = malloc(size ? size : 1);
	memcpy(bytes, data + sizeof(message.sequence), size);
	message.bytes = bytes;
	message.size = size;
	sockdiag_parse_listeners(&message, ports, 3, found, 3, &count);
	if (count > 3)
		abort();
	count = 0;
	sockdiag_parse_sessions(&message, ports, 3, sessions, 3, &count);
	if (count > 3)
		abort();
	memset(found, 0, sizeof(found));
	count = 0;
	sockdiag_parse_listeners(&message, NULL, 0, found, 3, &count);
	sockdiag_parse_clients(&message, groups, 2, found, count);
	free(bytes);
	return 0;
}
