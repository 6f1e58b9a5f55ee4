/* Octets as hexadecimal digits, for codecs. */
#ifndef TEST_HEX_H
#define TEST_HEX_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned octet = 0;

		sscanf(hex + 2 * i, "%2x", &octet);
		out[i] = (uint8_t)octet;
	}
	return n;
}

static inline void is_hex(const uint8_t *bytes, size_t n, const char *wanted)
{
	uint8_t want[512];

	assert_int_equal(n, from_hex(wanted, want));
	assert_memory_equal(bytes, want, n);
}

#endif
