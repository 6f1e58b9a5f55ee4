#include <stdlib.h>
#include <string.h>

#include "sensor/mountinfo.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text = malloc(size + 1), value[64];
	const char *cursor = text;
	struct mountinfo mount;

	memcpy(text, data, size);
	text[size] = 0;
	while (mountinfo_next(&cursor, &mount) == 1)
		mountinfo_option(&mount, "upperdir", value, sizeof(value));
	mountinfo_of_path(text, "/var/spool/postfix", &mount);
	free(text);
	return 0;
}
