#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/frame.h"

static const struct frame_kind kind = { "test", 3 };

static void check(const uint8_t *data, size_t size)
{
	const void *payload = NULL;
	size_t length = 0;

	if (frame_check(data, size, &kind, &payload, &length) < 0)
		return;
	if ((const uint8_t *)payload + length > data + size)
		abort();
	/* What was said to be the payload can be read. */
	for (size_t i = 0; i < length; i++)
		((volatile const uint8_t *)payload)[i];
}

/* As it is, and as the payload of a sound head whose length and flags the input chooses. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;
	struct frame_head head;
	uint64_t length;

	check(data, size);
	if (size < sizeof(length) + 1)
		return 0;
	memcpy(&length, data, sizeof(length));
	bytes = malloc(sizeof(head) + size);
	if (!bytes)
		return 0;
	frame_head(&head, &kind, data[8] & FRAME_SUMMED, data,
		   data[8] & 2 || length > size ? size : length);
	if (data[8] & 4) { /* a length that the payload does not have */
		frame_head(&head, &kind, 0, NULL, length);
	}
	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), data, size);
	check(bytes, sizeof(head) + size);
	free(bytes);
	return 0;
}
