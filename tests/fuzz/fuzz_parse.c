#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct endpoint endpoint;
	uint64_t n;
	double x = 0;
	bool b;

	memcpy(text, data, size);
	text[size] = 0;
	parse_u64(text, &n);
	if (parse_double(text, &x) == 0 && !isfinite(x))
		abort();
	parse_duration_us(text, &n);
	parse_bytes(text, &n);
	parse_bits_per_s(text, &n);
	if (parse_ratio(text, &x) == 0 && (!isfinite(x) || x < 0))
		abort();
	parse_bool(text, &b);
	endpoint_parse(text, &endpoint);
	free(text);
	return 0;
}
