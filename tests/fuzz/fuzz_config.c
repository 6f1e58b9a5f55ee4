#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "config/config.h"

/* A whole file; one that is accepted is printed and must be accepted again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static struct config_errors errors;
	static char printed[131072], line[640];
	char path[] = "/tmp/penstock-fuzz-XXXXXX";
	struct config_source source = { .file = path };
	struct text text = TEXT_OF(printed);
	int fd = mkstemp(path);

	if (fd < 0)
		return 0;
	if (write(fd, data, size) != (ssize_t)size)
		abort();
	memset(&errors, 0, sizeof(errors));
	if (config_load(&source, &config, &errors) == 0) {
		config_print(&config, &text);
		if (ftruncate(fd, 0) < 0 ||
		    pwrite(fd, printed, text.length, 0) != (ssize_t)text.length)
			abort();
		if (!text.cut && config_load(&source, &config, &errors) < 0) {
			config_error_print(&errors.error[0], line, sizeof(line));
			fprintf(stderr, "what was printed is refused: %s\n", line);
			abort();
		}
	} else if (errors.count == 0) {
		abort();
	}
	close(fd);
	unlink(path);
	return 0;
}
