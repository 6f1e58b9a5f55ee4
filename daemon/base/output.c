#include "base/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name;
static int status;

static void check(void)
{
	int before = ferror(stdout);

	errno = 0;
	if ((fflush(stdout) == 0 && !before) || errno == EPIPE)
		return;
	fprintf(stderr, "%s: Cannot write the output: %s. It is not complete.\n", name,
		errno ? strerror(errno) : "an error of before");
	fflush(stderr);
	_exit(status);
}

void output_check_at_exit(const char *program, int failure)
{
	name = program;
	status = failure;
	atexit(check);
}
