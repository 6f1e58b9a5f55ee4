/* The law's figures as variables, for `make sensitivity`: PENSTOCK_LAW=NAME=VALUE moves one of
 * them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/law.h"

#define X(name, value, ...) double name = value;
LAW_TABLE(X)
#undef X

__attribute__((constructor)) static void move_figure(void)
{
	static const struct {
		const char *name;
		double *value;
	} rows[] = {
#define X(name, ...) { #name, &name },
		LAW_TABLE(X)
#undef X
	};
	const char *order = getenv("PENSTOCK_LAW"), *is = order ? strchr(order, '=') : NULL;

	if (!order)
		return;
	for (size_t i = 0; is && i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) != (size_t)(is - order) ||
		    strncmp(rows[i].name, order, (size_t)(is - order)) != 0)
			continue;
		*rows[i].value = strtod(is + 1, NULL);
		return;
	}
	fprintf(stderr, "PENSTOCK_LAW=%s: no such figure of the law\n", order);
	exit(3);
}
