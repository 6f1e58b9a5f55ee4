/* The law's figures as variables, for `make sensitivity`: PENSTOCK_LAW=NAME=VALUE moves one of
 * them, NAME=VALUE,NAME=VALUE several. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "core/law.h"

#define X(name, value, ...) double name = value;
LAW_TABLE(X)
#undef X

/* `order` begins with NAME=VALUE. Returns what stands behind it; NULL: there is no such figure. */
static const char *move_one(const char *order)
{
	static const struct {
		const char *name;
		double *value;
	} rows[] = {
#define X(name, ...) { #name, &name },
		LAW_TABLE(X)
#undef X
	};
	size_t n = strcspn(order, "=");
	char *end;

	for (size_t i = 0; order[n] && i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) != n || strncmp(rows[i].name, order, n) != 0)
			continue;
		*rows[i].value = strtod(order + n + 1, &end);
		return *end == ',' ? end + 1 : *end ? NULL : end;
	}
	return NULL;
}

__attribute__((constructor)) static void move_figures(void)
{
	const char *order = getenv("PENSTOCK_LAW");

	for (const char *at = order; at && *at;) {
		at = move_one(at);
		if (at)
			continue;
		fprintf(stderr, "PENSTOCK_LAW=%s: no such figure of the law\n", order);
		exit(3);
	}
}
