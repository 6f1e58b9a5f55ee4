#include <stdlib.h>
#include <string.h>

#include "sensor/links.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	static struct link links[LINKS_MAX];
	unsigned count = 0;
	void *copy = malloc(size ? size : 1);

	memcpy(copy, data, size);
	/* Messages one after the other, as a dump has them; 4 bytes of alignment are the
	 * kernel's. */
	for (size_t at = 0; at < size && count < LINKS_MAX;) {
		unsigned length;

		if (size - at >= 4) {
			void *message;

			memcpy(&length, (char *)copy + at, sizeof(length));
			if (length > size - at || length < 16)
				length = (unsigned)(size - at);
			message = malloc(length);
			memcpy(message, (char *)copy + at, length);
			if (links_parse(message, length, &links[count]) == 1) {
				links[count].own_bps = 1e9;
				count++;
			}
			free(message);
			at += (length + 3) & ~3u;
		} else {
			break;
		}
	}
	for (unsigned i = 0; i < count; i++)
		links_limit_bps(links, count, links[i].ifindex);
	free(copy);
	return 0;
}
