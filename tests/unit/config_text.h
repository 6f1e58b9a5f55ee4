/* What the tests of the configuration share: a file with a text, and the first error in it. */
#ifndef PENSTOCK_TESTS_UNIT_CONFIG_TEXT_H
#define PENSTOCK_TESTS_UNIT_CONFIG_TEXT_H

#include "cmocka_test.h"

#include <errno.h>
#include <unistd.h>

#include "config/config.h"

static struct config config;
static struct config_errors errors;
static char path[] = "/tmp/penstock-test-config-XXXXXX";

static int load_text(const char *text, const char *override)
{
	const char *overrides[] = { override };
	struct config_source source = { .file = path,
					.overrides = overrides,
					.overrides_count = override ? 1 : 0 };
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	memset(&errors, 0, sizeof(errors));
	return config_load(&source, &config, &errors);
}

static const char *first_error(void)
{
	static char line[640];

	assert_true(errors.count > 0);
	config_error_print(&errors.error[0], line, sizeof(line));
	return line;
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	close(fd);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return 0;
}

#endif
